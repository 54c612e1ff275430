-- Transition: any -> absent, one chunk per call. The docket's number, clock, layout and environment
-- stay.
-- Tables: meta, task, tally, request, worker, waiter.
-- Arguments: the number of tasks in a chunk.
-- Result: how many tasks were deleted; 0: all are gone.
-- Repeated: continues where the last call stopped.
CREATE OR REPLACE FUNCTION docket.clear(docket_name text, chunk bigint) RETURNS bigint LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  gone record;
BEGIN
  SELECT e.id INTO d FROM docket.enter(docket_name) e;
  WITH deleted AS (
    DELETE FROM docket.task t WHERE t.ctid = ANY (ARRAY(
      SELECT c.ctid FROM docket.task c WHERE c.docket = d ORDER BY c.key LIMIT chunk FOR UPDATE
    )) RETURNING t.state, t.every
  )
  SELECT count(*) AS tasks,
    count(*) FILTER (WHERE state IN ('completed', 'cancelled') AND every IS NULL) AS finished,
    count(*) FILTER (WHERE state = 'dead' AND every IS NULL) AS dead
  INTO gone FROM deleted;
  PERFORM docket.tally(d, -gone.finished, -gone.dead);
  IF gone.tasks = 0 THEN
    DELETE FROM docket.request r WHERE r.docket = d;
    DELETE FROM docket.floor f WHERE f.docket = d;
    DELETE FROM docket.worker w WHERE w.docket = d;
    DELETE FROM docket.waiter w WHERE w.docket = d;
    IF FOUND THEN
      -- They register again.
      PERFORM pg_notify(docket.channel(d), '*');
    END IF;
    PERFORM FROM docket.tally t WHERE t.docket = d ORDER BY t.slot FOR UPDATE;
    DELETE FROM docket.tally t WHERE t.docket = d AND NOT EXISTS (
      SELECT FROM docket.tally s WHERE s.docket = d HAVING sum(s.finished) <> 0 OR sum(s.dead) <> 0 OR sum(s.finished_bytes) <> 0 OR sum(s.dead_bytes) <> 0
    );
  END IF;
  RETURN gone.tasks;
END
$$;
