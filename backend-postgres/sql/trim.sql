-- Transition: finished, retention over -> absent.
-- Tables: task, tally, floor.
-- Arguments: how many tasks the call has settled: so many more may go; what it will add to the tally.
-- Result: how many finished and dead ones went; the caller notes it.
-- Twice: goes on where it was. What another call holds is left to it.
CREATE OR REPLACE FUNCTION docket.trim(
  d int, moment bigint, settled bigint, more_finished bigint, more_dead bigint, OUT finished bigint, OUT dead bigint
) LANGUAGE plpgsql AS $$
DECLARE
  room bigint := {TRIM_ITEMS_MAX} + settled;
  kept_finished bigint;
  kept_dead bigint;
  gone tid[];
  floor bigint := docket.trim_floor(d, 'finished', moment);
  read_before bigint := pg_stat_get_xact_tuples_returned('docket.task_finished'::regclass);
BEGIN
  SELECT coalesce(sum(t.finished), 0) + more_finished, coalesce(sum(t.dead), 0) + more_dead INTO kept_finished, kept_dead
    FROM docket.tally t WHERE t.docket = d;
  gone := ARRAY(
    SELECT t.ctid FROM docket.task t
    WHERE t.docket = d AND t.state IN ('completed', 'cancelled') AND t.every IS NULL AND t.expires_at <= moment
      AND t.expires_at >= floor
    ORDER BY t.expires_at, t.seq LIMIT room FOR UPDATE SKIP LOCKED
  );
  IF least(kept_finished - {FINISHED_MAX}, room) > cardinality(gone) THEN
    gone := ARRAY(
      SELECT t.ctid FROM docket.task t
      WHERE t.docket = d AND t.state IN ('completed', 'cancelled') AND t.every IS NULL
        AND t.expires_at >= floor
      ORDER BY t.expires_at, t.seq LIMIT least(kept_finished - {FINISHED_MAX}, room) FOR UPDATE SKIP LOCKED
    );
  END IF;
  finished := cardinality(gone);
  room := room - finished;
  DELETE FROM docket.task t WHERE t.ctid = ANY (gone);
  IF pg_stat_get_xact_tuples_returned('docket.task_finished'::regclass) - read_before > {FLOOR_ENTRIES_MIN} + 2 * room THEN
    PERFORM docket.raise_trim_floor(d, 'finished', moment, (
      SELECT t.expires_at FROM docket.task t
      WHERE t.docket = d AND t.state IN ('completed', 'cancelled') AND t.every IS NULL AND t.expires_at >= floor
      ORDER BY t.expires_at, t.seq LIMIT 1
    ));
  END IF;
  gone := ARRAY(
    SELECT t.ctid FROM docket.task t
    WHERE t.docket = d AND t.state = 'dead' AND t.every IS NULL AND t.expires_at <= moment
    ORDER BY t.expires_at, t.seq LIMIT room FOR UPDATE SKIP LOCKED
  );
  IF least(kept_dead - {DEAD_MAX}, room) > cardinality(gone) THEN
    gone := ARRAY(
      SELECT t.ctid FROM docket.task t
      WHERE t.docket = d AND t.state = 'dead' AND t.every IS NULL
      ORDER BY t.expires_at, t.seq LIMIT least(kept_dead - {DEAD_MAX}, room) FOR UPDATE SKIP LOCKED
    );
  END IF;
  dead := cardinality(gone);
  DELETE FROM docket.task t WHERE t.ctid = ANY (gone);
END
$$;
