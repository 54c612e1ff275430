-- Transition: Queued and due -> Leased. Takes what is due in some lanes together: earliest first, then in order of adding.
-- Tables: task.
-- Arguments: the request, the lanes, how many, the bytes there are already, whether a suspect may be among them, the
-- earliest time that this call has put a task to (null: none).
-- Result: keys in order, their bytes, whether a suspect is among them, whether more would have been too many bytes, and
-- whether another call held one that might have been chosen.
-- Twice: it takes the next ones; the request is remembered by take.
-- A page of candidates is found without a lock; each is then locked by its key, passing by what others hold.
CREATE OR REPLACE FUNCTION docket.lease_from(
  d int, moment bigint, ask docket.ask, lane_queues text[], lane_names text[], count bigint, bytes_before bigint,
  suspect_may_come boolean, lowest bigint,
  OUT chosen text[], OUT bytes bigint, OUT has_suspect boolean, OUT is_full boolean, OUT skipped boolean
) LANGUAGE plpgsql AS $$
DECLARE
  want bigint;
  page record;
  candidate record;
  locked int;
  places tid[];
  fences bigint[];
  after_at bigint := -1;
  after_seq bigint := -1;
BEGIN
  chosen := '{}';
  bytes := bytes_before;
  has_suspect := false;
  is_full := false;
  skipped := false;
  LOOP
    want := count - cardinality(chosen);
    EXIT WHEN want <= 0;
    SELECT array_agg(c.key ORDER BY c.visible_at, c.seq) AS keys,
      (array_agg(c.visible_at ORDER BY c.visible_at DESC, c.seq DESC))[1] AS last_at,
      (array_agg(c.seq ORDER BY c.visible_at DESC, c.seq DESC))[1] AS last_seq
    INTO page
    FROM (
      (SELECT h.key, h.visible_at, h.seq FROM unnest(lane_queues, lane_names) AS l(queue, name)
        CROSS JOIN LATERAL docket.floor_of(d, 'queued', l.queue, l.name, lowest) f
        CROSS JOIN LATERAL (
          SELECT t.key, t.visible_at, t.seq FROM docket.task t
          WHERE t.docket = d AND t.state = 'queued' AND t.queue = l.queue AND t.name = l.name AND NOT t.suspect
            AND t.visible_at <= moment
            AND (t.visible_at, t.seq) >= (greatest(after_at, f.visible_at), CASE
              WHEN after_at > f.visible_at THEN after_seq + 1
              WHEN after_at = f.visible_at THEN greatest(after_seq + 1, f.seq)
              ELSE f.seq
            END)
          ORDER BY t.visible_at, t.seq LIMIT want
        ) h)
      UNION ALL
      (SELECT h.key, h.visible_at, h.seq FROM unnest(lane_queues, lane_names) AS l(queue, name)
        CROSS JOIN LATERAL (
          SELECT t.key, t.visible_at, t.seq FROM docket.task t
          WHERE suspect_may_come AND NOT has_suspect
            AND t.docket = d AND t.state = 'queued' AND t.queue = l.queue AND t.name = l.name AND t.suspect
            AND t.visible_at <= moment AND (t.visible_at, t.seq) > (after_at, after_seq)
          ORDER BY t.visible_at, t.seq LIMIT 1
        ) h
        ORDER BY h.visible_at, h.seq LIMIT 1)
      ORDER BY visible_at, seq LIMIT want
    ) c;
    EXIT WHEN page.keys IS NULL;
    locked := 0;
    places := '{}';
    fences := '{}';
    FOR candidate IN
      SELECT c.* FROM unnest(page.keys) WITH ORDINALITY AS k(key, n)
      CROSS JOIN LATERAL (
        SELECT t.ctid AS place, t.key, t.state, t.visible_at, t.queue, t.name, t.suspect, octet_length(t.args) AS bytes
        FROM docket.task t WHERE t.docket = d AND t.key = k.key FOR UPDATE SKIP LOCKED
      ) c
      ORDER BY k.n
    LOOP
      CONTINUE WHEN candidate.state <> 'queued' OR candidate.visible_at > moment;
      locked := locked + 1;
      -- It may have been moved to another lane in between.
      CONTINUE WHEN is_full OR NOT candidate.queue = ANY (ask.queues)
        OR (ask.names IS NOT NULL AND NOT candidate.name = ANY (ask.names));
      CONTINUE WHEN candidate.suspect AND (has_suspect OR NOT suspect_may_come);
      IF bytes > 0 AND bytes + candidate.bytes > {BATCH_BYTES_MAX} THEN
        is_full := true;
        CONTINUE;
      END IF;
      places := places || candidate.place;
      -- In the order of the line.
      fences := fences || nextval('docket.fence');
      chosen := chosen || candidate.key;
      bytes := bytes + candidate.bytes;
      has_suspect := has_suspect OR candidate.suspect;
    END LOOP;
    skipped := skipped OR locked < cardinality(page.keys);
    -- Locked, so that nobody moves them.
    UPDATE docket.task t SET
      state = 'leased', fence = p.fence, request = ask.request, worker = ask.worker, leased_at = moment,
      visible_at = moment + ask.lease
    FROM unnest(places, fences) AS p(place, fence) WHERE t.ctid = p.place;
    EXIT WHEN is_full;
    after_at := page.last_at;
    after_seq := page.last_seq;
  END LOOP;
END
$$;
