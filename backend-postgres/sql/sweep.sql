-- Transition: Leased and expired -> one crash, then Queued, Cancelled, Dead or the next occurrence.
-- Tables: task.
-- Arguments: the request (null: every name has the default crash limit), and the lanes it reads.
-- Result: how many crashed; those that reached their limit (key, name, attempts, whether it
-- repeats); the lane and time of each task that is queued again; how many are finished or dead now;
-- and whether a row was skipped because another call is renewing, settling or sweeping it.
-- Repeated: a crash is counted once, since the lease ends with it.
CREATE OR REPLACE FUNCTION docket.sweep(
  d int, moment bigint, ask docket.ask, lane_queues text[], lane_names text[],
  OUT crashed bigint, OUT limited text[], OUT lanes text[], OUT visibles bigint[], OUT finished bigint, OUT dead bigint,
  OUT skipped boolean
) LANGUAGE plpgsql AS $$
DECLARE
  late text[];
  late_key text;
  rec docket.task;
  outcome record;
  before docket.task;
BEGIN
  crashed := 0;
  limited := '{}';
  lanes := '{}';
  visibles := '{}';
  finished := 0;
  dead := 0;
  late := ARRAY(
    SELECT h.key FROM unnest(lane_queues, lane_names) AS l(queue, name)
    CROSS JOIN (VALUES (false), (true)) AS s(suspect)
    CROSS JOIN LATERAL docket.floor_of(d, CASE WHEN s.suspect THEN 'none' ELSE 'leased' END, l.queue, l.name, NULL) f
    CROSS JOIN LATERAL (
      SELECT t.key, t.visible_at, t.seq FROM docket.task t
      WHERE t.docket = d AND t.state = 'leased' AND t.queue = l.queue AND t.name = l.name AND t.suspect = s.suspect
        AND (t.visible_at, t.seq) >= (f.visible_at, f.seq)
        AND t.visible_at <= moment
      ORDER BY t.visible_at, t.seq LIMIT {TRIM_ITEMS_MAX}
    ) h
    ORDER BY h.visible_at, h.seq LIMIT {TRIM_ITEMS_MAX}
  );
  FOREACH late_key IN ARRAY late LOOP
    SELECT * INTO rec FROM docket.task t WHERE t.docket = d AND t.key = late_key FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND OR rec.state <> 'leased' OR rec.visible_at > moment;
    -- The record may be its successor afterwards.
    before := rec;
    rec.args := NULL;
    rec.result := NULL;
    rec.error := NULL;
    SELECT * INTO outcome FROM docket.crash(
      rec, coalesce(ask.crashes_maxs[array_position(ask.names, rec.name)], {CRASHES_MAX}), moment
    );
    rec := outcome.rec;
    crashed := crashed + 1;
    IF outcome.limited THEN
      limited := limited || ARRAY[before.key, before.name, before.attempts::text, (before.every IS NOT NULL)::text];
    END IF;
    PERFORM docket.store(rec, false);
    finished := finished + docket.finished_by(rec);
    dead := dead + docket.dead_by(rec);
    IF rec.state = 'queued' THEN
      lanes := lanes || (rec.queue || '|' || rec.name);
      visibles := visibles || rec.visible_at;
    END IF;
  END LOOP;
  skipped := crashed < cardinality(late);
END
$$;
