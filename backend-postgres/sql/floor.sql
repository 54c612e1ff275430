-- Transition: none. The low-water mark of a lane: no row of the lane is below it, so reads start
-- there.
-- Tables: floor, task.
-- Arguments: queued or leased, and the lane.
--
-- Dead index entries can be removed only when no open transaction may still see them. A report that
-- runs for an hour keeps all entries that died in that hour, at the head of each lane, where every
-- lease starts to read. A call that has read many entries for few rows raises the marks of its
-- lanes. Suspects are few and have no mark.
--
-- raise_floors: takes `wait_lock` exclusively, as its last lock but one, so that no writer is
-- between inserting a row and comparing it with the mark.
-- lower_queued, lower_leased: that comparison, by the writer of a row, under the shared lock.
-- A transaction of the application cannot hold `wait_lock` until its commit. It shares floor_lock
-- from its first call on (see enter), and no mark rises while it does. Order matters: floor_lock
-- before `wait_lock`.
-- trim_floor, raise_trim_floor: the same for finished tasks and answered requests that are to be
-- trimmed.
-- Repeated: the same mark.
CREATE OR REPLACE FUNCTION docket.floor_lock(d int) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT hashtextextended('floor of ' || docket.channel(d), 0)
$$;

-- `lowest`: the earliest time that this call has given a task and not yet compared with the mark
-- (null: none).
CREATE OR REPLACE FUNCTION docket.floor_of(
  d int, lane_state text, lane_queue text, lane_name text, lowest bigint, OUT visible_at bigint, OUT seq bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT f.visible_at, f.seq INTO visible_at, seq FROM docket.floor f
    WHERE f.docket = d AND f.state = lane_state AND f.queue = lane_queue AND f.name = lane_name;
  IF NOT FOUND OR lowest <= visible_at THEN
    visible_at := CASE WHEN FOUND THEN lowest ELSE 0 END;
    seq := 0;
  END IF;
END
$$;

-- Entries that this transaction has read from the indexes of the lanes, dead ones included.
CREATE OR REPLACE FUNCTION docket.entries_read() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT pg_stat_get_xact_tuples_returned('docket.task_queued'::regclass)
    + pg_stat_get_xact_tuples_returned('docket.task_leased'::regclass)
$$;

CREATE OR REPLACE FUNCTION docket.raise_floors(
  d int, moment bigint, lease bigint, lane_queues text[], lane_names text[], patient boolean
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  lane record;
  head record;
  before bigint;
BEGIN
  -- Each query below must see everything committed until now.
  IF current_setting('transaction_isolation') <> 'read committed'
    OR NOT pg_try_advisory_xact_lock(docket.floor_lock(d)) THEN
    RETURN;
  END IF;
  -- Waiting for the lock holds up everyone who comes later: do so only when reading on would cost
  -- more.
  IF patient THEN
    PERFORM pg_advisory_xact_lock(docket.wait_lock(d));
  ELSIF NOT pg_try_advisory_xact_lock(docket.wait_lock(d)) THEN
    RETURN;
  END IF;
  FOR lane IN SELECT l.queue, l.name FROM unnest(lane_queues, lane_names) AS l(queue, name) LOOP
    before := docket.entries_read();
    SELECT t.visible_at, t.seq INTO head FROM docket.floor_of(d, 'queued', lane.queue, lane.name, NULL) f
      CROSS JOIN LATERAL (
        SELECT t.visible_at, t.seq FROM docket.task t
        WHERE t.docket = d AND t.state = 'queued' AND t.queue = lane.queue AND t.name = lane.name AND NOT t.suspect
          AND (t.visible_at, t.seq) >= (f.visible_at, f.seq)
        ORDER BY t.visible_at, t.seq LIMIT 1
      ) t;
    PERFORM docket.set_floor(
      d, 'queued', lane.queue, lane.name, least(head.visible_at, moment),
      CASE WHEN head.visible_at <= moment THEN head.seq ELSE 0 END, before
    );
    before := docket.entries_read();
    SELECT t.visible_at, t.seq INTO head FROM docket.floor_of(d, 'leased', lane.queue, lane.name, NULL) f
      CROSS JOIN LATERAL (
        SELECT t.visible_at, t.seq FROM docket.task t
        WHERE t.docket = d AND t.state = 'leased' AND t.queue = lane.queue AND t.name = lane.name AND NOT t.suspect
          AND (t.visible_at, t.seq) >= (f.visible_at, f.seq)
        ORDER BY t.visible_at, t.seq LIMIT 1
      ) t;
    PERFORM docket.set_floor(
      d, 'leased', lane.queue, lane.name, coalesce(head.visible_at, moment + lease), coalesce(head.seq, 0), before
    );
  END LOOP;
END
$$;

-- Skip the write if few entries were read: the row of the mark would leave as many dead versions.
CREATE OR REPLACE FUNCTION docket.set_floor(
  d int, lane_state text, lane_queue text, lane_name text, new_at bigint, new_seq bigint, read_before bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF docket.entries_read() - read_before > {FLOOR_ENTRIES_MIN} / 4 THEN
    INSERT INTO docket.floor AS f (docket, state, queue, name, visible_at, seq)
      VALUES (d, lane_state, lane_queue, lane_name, new_at, new_seq)
      ON CONFLICT ON CONSTRAINT floor_pkey DO UPDATE SET visible_at = excluded.visible_at, seq = excluded.seq
      WHERE (f.visible_at, f.seq) < (excluded.visible_at, excluded.seq);
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION docket.lower_queued(d int, lanes text[], visibles bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  lane record;
BEGIN
  FOR lane IN
    SELECT split_part(l.lane, '|', 1) AS queue, split_part(l.lane, '|', 2) AS name, min(l.visible_at) AS visible_at
    FROM (SELECT unnest(lanes) AS lane, unnest(visibles) AS visible_at) l
    GROUP BY l.lane ORDER BY l.lane COLLATE "C"
  LOOP
    UPDATE docket.floor f SET visible_at = lane.visible_at, seq = 0
      WHERE f.docket = d AND f.state = 'queued' AND f.queue = lane.queue AND f.name = lane.name
        AND (f.visible_at, f.seq) > (lane.visible_at, 0);
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION docket.lower_leased(d int, deadline bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(docket.wait_lock(d));
  UPDATE docket.floor f SET visible_at = deadline, seq = 0
    WHERE f.docket = d AND f.state = 'leased' AND (f.visible_at, f.seq) > (deadline, 0);
END
$$;

-- The mark for trimming is simpler: a row below it is only trimmed late. The mark is dropped after
-- a while, so that such rows are found. `seq` holds the time since when the mark exists.
CREATE OR REPLACE FUNCTION docket.trim_floor(d int, trimmed text, moment bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  found_at bigint;
BEGIN
  SELECT f.visible_at INTO found_at FROM docket.floor f
    WHERE f.docket = d AND f.state = trimmed AND f.queue = '' AND f.name = '' AND f.seq > moment - {TRIM_FLOOR_MAX};
  RETURN coalesce(found_at, 0);
END
$$;

-- One call at a time; another call skips it.
CREATE OR REPLACE FUNCTION docket.raise_trim_floor(d int, trimmed text, moment bigint, head bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF pg_try_advisory_xact_lock(hashtextextended(trimmed || ' floor of ' || docket.channel(d), 0)) THEN
    INSERT INTO docket.floor AS f (docket, state, queue, name, visible_at, seq)
      VALUES (d, trimmed, '', '', least(head, moment), moment)
      ON CONFLICT ON CONSTRAINT floor_pkey DO UPDATE SET
        visible_at = excluded.visible_at,
        seq = CASE WHEN f.seq > moment - {TRIM_FLOOR_MAX} THEN f.seq ELSE excluded.seq END;
  END IF;
END
$$;
