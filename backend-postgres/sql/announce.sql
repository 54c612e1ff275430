-- Transition: none. Notifies waiters that tasks of a lane become visible. A hint: losing it only
-- costs time.
-- Tables: waiter.
-- Arguments: lanes (QUEUE|NAME) and, for each, when.
-- Payload: QUEUE|NAME|MICROSECONDS until the tasks are visible.
-- - With |WAITER,WAITER,... only these waiters poll, at once. With |STANDBY, one more waiter polls
--   a while later, in case they are gone.
-- - If the standby finds nothing due it sends QUEUE|NAME|MICROSECONDS|seen: the time until the next
--   task, which is the deadline of the leases just taken (no number: nothing is left). Without a
--   standby, or if it is gone too, the other waiters poll by themselves.
-- Repeated: the waiters poll once more.
--
-- Skip NOTIFY when there are no waiters: it serialises all commits of the database. To avoid a lost
-- wake-up, registering a waiter takes `wait_lock` exclusively and announcing takes it shared, each
-- as the last lock of its transaction, so that neither waits for another lock while it holds this
-- one.
CREATE OR REPLACE FUNCTION docket.channel(d int) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'docket_' || 'docket.waiter'::regclass::oid || '_' || d
$$;

CREATE OR REPLACE FUNCTION docket.wait_lock(d int) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT hashtextextended(docket.channel(d), 0)
$$;

-- In a transaction of the application, the lock would be held until its commit, and no waiter could
-- register meanwhile. There, notify everybody at the commit without asking whether there are
-- waiters.
CREATE OR REPLACE FUNCTION docket.announce(d int, moment bigint, lanes text[], visibles bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(lanes) = 0 THEN
    RETURN;
  END IF;
  IF NOT docket.in_callers_transaction() THEN
    PERFORM pg_advisory_xact_lock_shared(docket.wait_lock(d));
  END IF;
  PERFORM docket.lower_queued(d, lanes, visibles);
  IF docket.in_callers_transaction() THEN
    PERFORM docket.tell(d, l.lane, greatest(min(l.visible_at) - moment, 0), '')
      FROM unnest(lanes, visibles) AS l(lane, visible_at) GROUP BY l.lane;
  ELSIF EXISTS (SELECT FROM docket.waiter w WHERE w.docket = d AND w.until > docket.server_now()) THEN
    -- Broadcast future times: a single recipient might be busy when the time comes.
    PERFORM docket.tell(d, l.lane, min(l.visible_at) - moment, '')
      FROM unnest(lanes, visibles) AS l(lane, visible_at) WHERE l.visible_at > moment GROUP BY l.lane;
    PERFORM docket.tell(d, l.lane, 0, docket.wake(d, split_part(l.lane, '|', 1), split_part(l.lane, '|', 2), count(*)))
      FROM unnest(lanes, visibles) AS l(lane, visible_at) WHERE l.visible_at <= moment GROUP BY l.lane;
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION docket.tell(d int, lane text, micros bigint, whom text) RETURNS void LANGUAGE sql AS $$
  SELECT pg_notify(docket.channel(d), concat_ws('|', lane, micros, nullif(whom, '')))
$$;

-- The standby's answer to the other waiters.
CREATE OR REPLACE FUNCTION docket.tell_seen(
  d int, clock bigint, ahead bigint, lanes text[], lowest bigint, deadline bigint
)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  lane text;
  head bigint;
BEGIN
  FOREACH lane IN ARRAY coalesce(lanes, '{}') LOOP
    head := docket.head(d, ARRAY[split_part(lane, '|', 1)], ARRAY[split_part(lane, '|', 2)], true, lowest, deadline);
    IF head IS NULL OR head > docket.now_of(clock, ahead) THEN
      -- A clock override does not move: nobody waits for a time of it.
      PERFORM pg_notify(
        docket.channel(d),
        lane || '|' || coalesce(CASE WHEN clock IS NULL THEN head - docket.now_of(clock, ahead) END::text, '') || '|seen'
      );
    END IF;
  END LOOP;
END
$$;
