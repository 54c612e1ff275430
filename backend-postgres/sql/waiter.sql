-- Transition: none. The waiters, and which of them are woken.
-- Tables: meta, waiter.
-- wait_until: registers a waiter and deletes expired ones; see announce for the lock.
-- leave: removes a waiter; answers whether it was woken since it registered.
-- pass_on: wakes another waiter.
-- forget: leaves, and passes its wake-up on.
-- Repeated: the same.
CREATE OR REPLACE FUNCTION docket.wait_until(d int, ask docket.ask) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM docket.waiter w WHERE w.ctid = ANY (ARRAY(
    SELECT gone.ctid FROM docket.waiter gone
    WHERE gone.docket = d AND gone.until < docket.server_now() AND gone.id <> ask.waiter
    LIMIT {TRIM_ITEMS_MAX} FOR UPDATE SKIP LOCKED
  ));
  INSERT INTO docket.waiter AS w (docket, id, noted, until, queues, names)
    VALUES (d, ask.waiter, docket.server_now(), docket.server_now() + ask.block, ask.queues, ask.names)
    ON CONFLICT ON CONSTRAINT waiter_pkey DO UPDATE SET noted = excluded.noted, until = excluded.until, woken = false;
  PERFORM pg_advisory_xact_lock(docket.wait_lock(d));
END
$$;

CREATE OR REPLACE FUNCTION docket.leave(d int, waiter uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  was_woken boolean;
BEGIN
  DELETE FROM docket.waiter w WHERE w.docket = d AND w.id = waiter RETURNING w.woken INTO was_woken;
  RETURN coalesce(was_woken, false);
END
$$;

-- Waiters that were woken and have not polled yet will find the task.
CREATE OR REPLACE FUNCTION docket.pass_on(d int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM docket.waiter w WHERE w.docket = d AND NOT w.woken AND w.until > docket.server_now()
  ) THEN
    PERFORM pg_notify(docket.channel(d), '*');
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION docket.forget(docket_name text, waiter uuid) RETURNS void LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
BEGIN
  SELECT e.id INTO d FROM docket.enter(docket_name) e;
  IF docket.leave(d, waiter) THEN
    PERFORM docket.pass_on(d);
  END IF;
END
$$;

-- Returns the oldest waiters of the lane, one per new task, plus one standby. Empty means
-- broadcast: the remaining waiters may already be polling, without seeing the new tasks.
CREATE OR REPLACE FUNCTION docket.wake(d int, lane_queue text, lane_name text, tasks bigint)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  whom uuid[];
  deputy uuid;
BEGIN
  IF tasks > {WAKE_MAX} THEN
    RETURN '';
  END IF;
  WITH woken AS (
    UPDATE docket.waiter w SET woken = true WHERE w.ctid = ANY (ARRAY(
      SELECT free.ctid FROM docket.waiter free
      WHERE free.docket = d AND NOT free.woken AND free.until > docket.server_now()
        AND lane_queue = ANY (free.queues)
        AND lane_name = ANY (free.names)
      ORDER BY free.noted LIMIT tasks FOR UPDATE SKIP LOCKED
    )) RETURNING w.id
  )
  SELECT array_agg(id) INTO whom FROM woken;
  IF cardinality(whom) IS DISTINCT FROM tasks THEN
    RETURN '';
  END IF;
  SELECT w.id INTO deputy FROM docket.waiter w
    WHERE w.docket = d AND NOT w.woken AND w.until > docket.server_now()
      AND lane_queue = ANY (w.queues)
      AND lane_name = ANY (w.names)
    ORDER BY w.noted LIMIT 1;
  RETURN concat_ws('|', array_to_string(whom, ','), deputy);
END
$$;
