-- Transition: finished, retention over -> absent.
-- Tables: task, tally, floor.
-- Arguments: `settled`: the number of tasks this call settled, by which it may trim more; the
-- counter deltas that the call will add later.
-- Result: how many finished and dead tasks were deleted; the caller counts them.
-- Repeated: continues where it stopped. Rows locked by another call are left to that call.
CREATE OR REPLACE FUNCTION docket.trim(
  d int, moment bigint, settled bigint, more_finished bigint, more_dead bigint, OUT finished bigint, OUT dead bigint
) LANGUAGE plpgsql AS $$
DECLARE
  room bigint := {TRIM_ITEMS_MAX} + settled;
  kept record;
  beyond bigint;
  gone tid[];
  floor bigint := docket.trim_floor(d, 'finished', moment);
  read_before bigint := pg_stat_get_xact_tuples_returned('docket.task_finished'::regclass);
BEGIN
  SELECT coalesce(sum(t.finished), 0) + more_finished AS finished, coalesce(sum(t.dead), 0) + more_dead AS dead,
      coalesce(sum(t.finished_bytes), 0)::bigint AS finished_bytes, coalesce(sum(t.dead_bytes), 0)::bigint AS dead_bytes
    INTO kept FROM docket.tally t WHERE t.docket = d;
  gone := ARRAY(
    SELECT t.ctid FROM docket.task t
    WHERE t.docket = d AND t.state IN ('completed', 'cancelled') AND t.every IS NULL AND t.expires_at <= moment
      AND t.expires_at >= floor
    ORDER BY t.expires_at, t.seq LIMIT room FOR UPDATE SKIP LOCKED
  );
  beyond := kept.finished - {FINISHED_MAX};
  IF kept.finished_bytes > {FINISHED_BYTES_MAX} THEN
    beyond := greatest(beyond, docket.too_heavy(ARRAY(
      SELECT coalesce(t.kept, 0) FROM docket.task t
      WHERE t.docket = d AND t.state IN ('completed', 'cancelled') AND t.every IS NULL
        AND t.expires_at >= floor
      ORDER BY t.expires_at, t.seq LIMIT room
    ), kept.finished_bytes - {FINISHED_BYTES_MAX}));
  END IF;
  IF least(beyond, room) > cardinality(gone) THEN
    gone := ARRAY(
      SELECT t.ctid FROM docket.task t
      WHERE t.docket = d AND t.state IN ('completed', 'cancelled') AND t.every IS NULL
        AND t.expires_at >= floor
      ORDER BY t.expires_at, t.seq LIMIT least(beyond, room) FOR UPDATE SKIP LOCKED
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
  beyond := kept.dead - {DEAD_MAX};
  IF kept.dead_bytes > {DEAD_BYTES_MAX} THEN
    beyond := greatest(beyond, docket.too_heavy(ARRAY(
      SELECT coalesce(t.kept, 0) FROM docket.task t
      WHERE t.docket = d AND t.state = 'dead' AND t.every IS NULL
      ORDER BY t.expires_at, t.seq LIMIT room
    ), kept.dead_bytes - {DEAD_BYTES_MAX}));
  END IF;
  IF least(beyond, room) > cardinality(gone) THEN
    gone := ARRAY(
      SELECT t.ctid FROM docket.task t
      WHERE t.docket = d AND t.state = 'dead' AND t.every IS NULL
      ORDER BY t.expires_at, t.seq LIMIT least(beyond, room) FOR UPDATE SKIP LOCKED
    );
  END IF;
  dead := cardinality(gone);
  DELETE FROM docket.task t WHERE t.ctid = ANY (gone);
END
$$;

-- How many of the oldest records must go to free so many bytes; all, if these are too few.
CREATE OR REPLACE FUNCTION docket.too_heavy(oldest bigint[], excess bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  FOR i IN 1 .. cardinality(oldest) LOOP
    excess := excess - oldest[i];
    IF excess <= 0 THEN
      RETURN i;
    END IF;
  END LOOP;
  RETURN cardinality(oldest);
END
$$;
