-- Transition: none. Tells those who wait that something of a lane becomes visible, as a hint.
-- Tables: waiter.
-- Arguments: lanes (QUEUE|NAME) and, for each, when. A notification is QUEUE|NAME|MICROSECONDS until then, and, if it is
-- for some, |WAITER,WAITER,...: they look at once; and |DEPUTY, who looks a while later, in case they are lost. If it finds
-- nothing that is due it says QUEUE|NAME|MICROSECONDS|seen until what comes next (nothing: no number), which is the deadline
-- of what they took. Without a deputy, or if it is lost as well, the others look for themselves.
-- Twice: they look once more.
--
-- Nobody waiting, nobody is told: a notification makes all commits of the database stand in line. Somebody who notes that
-- it waits and commits while a call is about to commit would be missed by it and miss it, so the one lock is held shared
-- here and alone there. Order matters: both take it as their last, so that neither waits for anything while it holds it.
CREATE OR REPLACE FUNCTION docket.channel(d int) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'docket_' || 'docket.waiter'::regclass::oid || '_' || d
$$;

CREATE OR REPLACE FUNCTION docket.wait_lock(d int) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT hashtextextended(docket.channel(d), 0)
$$;

-- In a transaction of the caller's own the lock would be held for as long as that takes, and nobody could note that it
-- waits: there everybody is told, at the commit, whoever waits.
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
    -- Everybody is told of a later time: who would be the only one to know it may be busy then.
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

-- The deputy's answer to the others.
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
      -- A clock that was set stands still: nobody waits for a time by it.
      PERFORM pg_notify(
        docket.channel(d),
        lane || '|' || coalesce(CASE WHEN clock IS NULL THEN head - docket.now_of(clock, ahead) END::text, '') || '|seen'
      );
    END IF;
  END LOOP;
END
$$;
