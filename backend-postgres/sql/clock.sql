-- Transition: none. The server's clock as the docket sees it.
-- Tables: meta, task, waiter.
-- set_clock (for tests): sets the override and wakes every waiter. Argument: microseconds. Result:
-- set, or notempty (the first override needs a docket without tasks).
-- settle_clock: reports the offset of the docket's time as 0 from now on; the time itself goes on.
-- Result: the offset before; null if a task is leased.
-- Repeated: the same; 0.
CREATE OR REPLACE FUNCTION docket.set_clock(docket_name text, moment bigint) RETURNS text LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  before record;
BEGIN
  SELECT e.id INTO d FROM docket.enter(docket_name) e;
  SELECT m.clock, m.ahead INTO before FROM docket.meta m WHERE m.id = d FOR UPDATE;
  IF before.clock IS NULL AND EXISTS (SELECT FROM docket.task t WHERE t.docket = d) THEN
    RETURN 'notempty';
  END IF;
  UPDATE docket.meta m SET clock = moment, seen = coalesce(before.clock + before.ahead, moment),
    ahead = CASE WHEN before.clock IS NULL THEN 0 ELSE m.ahead END
    WHERE m.id = d;
  PERFORM pg_advisory_xact_lock_shared(docket.wait_lock(d));
  PERFORM pg_notify(docket.channel(d), '*');
  RETURN 'set';
END
$$;

CREATE OR REPLACE FUNCTION docket.settle_clock(docket_name text) RETURNS bigint LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  was bigint;
BEGIN
  SELECT e.id INTO d FROM docket.enter(docket_name) e;
  IF EXISTS (SELECT FROM docket.task t WHERE t.docket = d AND t.state = 'leased') THEN
    RETURN NULL;
  END IF;
  SELECT m.ahead - m.settled INTO was FROM docket.meta m WHERE m.id = d FOR UPDATE;
  UPDATE docket.meta m SET settled = m.ahead WHERE m.id = d;
  RETURN was;
END
$$;
