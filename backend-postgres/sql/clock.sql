-- Transition: none. Sets the docket's clock, for tests; every waiter wakes.
-- Tables: meta, task, waiter.
-- Arguments: microseconds.
-- Result: set, notempty (the first setting needs a docket without tasks), backwards.
-- Twice: the same.
CREATE OR REPLACE FUNCTION docket.set_clock(docket_name text, moment bigint) RETURNS text LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  before bigint;
BEGIN
  SELECT e.id INTO d FROM docket.enter(docket_name) e;
  SELECT m.clock INTO before FROM docket.meta m WHERE m.id = d FOR UPDATE;
  IF before IS NULL THEN
    IF EXISTS (SELECT FROM docket.task t WHERE t.docket = d) THEN
      RETURN 'notempty';
    END IF;
  ELSIF moment < before THEN
    RETURN 'backwards';
  END IF;
  UPDATE docket.meta m SET clock = moment WHERE m.id = d;
  PERFORM pg_advisory_xact_lock_shared(docket.wait_lock(d));
  PERFORM pg_notify(docket.channel(d), '*');
  RETURN 'set';
END
$$;
