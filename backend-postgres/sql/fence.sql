-- Transition: none. The fences of the schema: each is above all drawn before, and no smaller than the docket's time, so that
-- they go on above the earlier ones where the database came back from a snapshot that does not know the latest.
-- Sequence: fence.
-- Arguments: the time, or a fence that was drawn elsewhere: those that nextval() draws next are larger.
-- Twice: the same.
CREATE OR REPLACE FUNCTION docket.reach_fence(at_least bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Two calls that set it at once could set it back. The lock is held to the end of a transaction, which a client may delay,
  -- but not the setting: whoever has waited this long waits for no setting.
  FOR tries IN 1 .. 20 LOOP
    EXIT WHEN coalesce(pg_sequence_last_value('docket.fence'), 0) >= at_least
      OR pg_try_advisory_xact_lock(hashtextextended('fences', 'docket.fence'::regclass::oid::bigint));
    PERFORM pg_sleep(0.001);
  END LOOP;
  -- With room for all that can be drawn while it is set, and so that this is seldom.
  IF coalesce(pg_sequence_last_value('docket.fence'), 0) < at_least THEN
    PERFORM setval('docket.fence', greatest(coalesce(pg_sequence_last_value('docket.fence'), 0), at_least) + {FENCE_LEAP});
  END IF;
END
$$;
