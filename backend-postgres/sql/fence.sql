-- Transition: none. The fences of the schema. Each is larger than all before it and at least the
-- docket's time, so that fences keep growing even if the database was restored from a snapshot that
-- misses the latest.
-- Sequence: fence.
-- Arguments: the time, or a fence drawn in another store: later calls of nextval() return larger
-- numbers.
-- Repeated: the same.
CREATE OR REPLACE FUNCTION docket.reach_fence(at_least bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Two concurrent calls of setval could set the sequence back. A client may delay the end of the
  -- transaction that holds this lock, but not the setval within it: after 20 ms, no setval can be
  -- in progress.
  FOR tries IN 1 .. 20 LOOP
    EXIT WHEN coalesce(pg_sequence_last_value('docket.fence'), 0) >= at_least
      OR pg_try_advisory_xact_lock(hashtextextended('fences', 'docket.fence'::regclass::oid::bigint));
    PERFORM pg_sleep(0.001);
  END LOOP;
  -- Leap ahead of all fences that can be drawn meanwhile. The leap also makes calls of setval rare.
  IF coalesce(pg_sequence_last_value('docket.fence'), 0) < at_least THEN
    PERFORM setval('docket.fence', greatest(coalesce(pg_sequence_last_value('docket.fence'), 0), at_least) + {FENCE_LEAP});
  END IF;
END
$$;
