-- Transition: Queued and due -> Leased. Leases due tasks of several lanes together: earliest first,
-- then in the order of adding.
-- Tables: task.
-- Arguments: the request, the lanes, how many, whether a suspect may be leased, the earliest time
-- that this call has given a task (null: none); the reply so far, and its bytes.
-- Result: the reply with the new leases appended, in order, and its bytes; whether a suspect is
-- among them, whether the byte limit stopped it, and whether it skipped a row that another call had
-- locked.
-- Repeated: leases the next tasks; take remembers the request.
-- One statement reads a page of the lanes, skips locked rows and leases the others. Locked rows
-- were mostly leased by concurrent calls a moment ago, so each page is larger than the one before.
-- Rows are addressed by `(ctid, xmin)`, so a row that another call leased meanwhile no longer
-- matches. `ctid` alone is not sufficient: whether it is re-checked after a concurrent update
-- varies between server versions.
CREATE OR REPLACE FUNCTION docket.lease_from(
  d int, moment bigint, ask docket.ask, lane_queues text[], lane_names text[], count bigint, suspect_may_come boolean,
  lowest bigint, INOUT reply docket.reply, INOUT bytes bigint, OUT has_suspect boolean, OUT is_full boolean,
  OUT skipped boolean
) LANGUAGE plpgsql AS $$
DECLARE
  want bigint := count;
  size bigint := count;
  page record;
  after_at bigint := -1;
  after_seq bigint := -1;
BEGIN
  has_suspect := false;
  is_full := false;
  skipped := false;
  WHILE want > 0 LOOP
    WITH line AS MATERIALIZED (
      SELECT c.*, bytes + sum(c.weight) OVER w <= {BATCH_BYTES_MAX} OR (bytes = 0 AND row_number() OVER w = 1) AS fits
      FROM (
        (SELECT h.* FROM unnest(lane_queues, lane_names) AS l(queue, name)
          CROSS JOIN LATERAL docket.floor_of(d, 'queued', l.queue, l.name, lowest) f
          CROSS JOIN LATERAL (
            SELECT t.ctid AS place, t.xmin AS version, t.visible_at, t.seq, octet_length(t.args) AS weight FROM docket.task t
            WHERE t.docket = d AND t.state = 'queued' AND t.queue = l.queue AND t.name = l.name AND NOT t.suspect
              AND t.visible_at <= moment
              AND (t.visible_at, t.seq) >= (greatest(after_at, f.visible_at), CASE
                WHEN after_at > f.visible_at THEN after_seq + 1
                WHEN after_at = f.visible_at THEN greatest(after_seq + 1, f.seq)
                ELSE f.seq
              END)
            ORDER BY t.visible_at, t.seq LIMIT size
          ) h)
        UNION ALL
        (SELECT h.* FROM unnest(lane_queues, lane_names) AS l(queue, name)
          CROSS JOIN LATERAL (
            SELECT t.ctid AS place, t.xmin AS version, t.visible_at, t.seq, octet_length(t.args) AS weight FROM docket.task t
            WHERE suspect_may_come AND NOT has_suspect
              AND t.docket = d AND t.state = 'queued' AND t.queue = l.queue AND t.name = l.name AND t.suspect
              AND t.visible_at <= moment AND (t.visible_at, t.seq) > (after_at, after_seq)
            ORDER BY t.visible_at, t.seq LIMIT 1
          ) h
          ORDER BY h.visible_at, h.seq LIMIT 1)
        ORDER BY visible_at, seq LIMIT size
      ) c
      WINDOW w AS (ORDER BY c.visible_at, c.seq)
    ), locked AS MATERIALIZED (
      -- Draw fences in the order of the lanes.
      SELECT l.place, nextval('docket.fence') AS fence FROM line l
      CROSS JOIN LATERAL (SELECT FROM docket.task t WHERE t.ctid = l.place AND t.xmin = l.version FOR UPDATE SKIP LOCKED) held
      WHERE l.fits LIMIT want
    ), leased AS (
      UPDATE docket.task t SET
        state = 'leased', fence = l.fence, request = ask.request, worker = ask.worker, leased_at = moment,
        visible_at = moment + ask.lease
      FROM locked l WHERE t.ctid = l.place
      RETURNING t.*
    )
    SELECT p.*, l.* INTO page FROM (
      SELECT count(*) AS seen, count(*) FILTER (WHERE s.fits) AS fitting, array_agg(s.visible_at) AS visible_ats,
        array_agg(s.seq) AS seqs
      FROM line s
    ) p CROSS JOIN (
      SELECT count(*) AS taken, coalesce(sum(octet_length(t.args)), 0) AS weight,
        coalesce(bool_or(t.suspect), false) AS has_suspect,
        array_agg(t.key) AS keys, array_agg(t.fence) AS fences, array_agg(t.name) AS names,
        array_agg(t.queue) AS queues, array_agg(t.args) AS args, array_agg(t.attempts) AS attempts,
        array_agg(t.crashes) AS crashes, array_agg(t.visible_at) AS deadlines, array_agg(t.leased_at) AS leased_ats,
        array_agg(t.due_at) AS due_ats, array_agg(t.every) AS everys, array_agg(t.max_attempts) AS attempts_maxs,
        array_agg(t.max_crashes) AS crashes_maxs, array_agg(t.undecodable_since) AS undecodable_sinces
      FROM (SELECT * FROM leased ORDER BY fence) t
    ) l;
    IF page.fitting = 0 THEN
      is_full := page.seen > 0;
      RETURN;
    END IF;
    bytes := bytes + page.weight;
    has_suspect := has_suspect OR page.has_suspect;
    skipped := skipped OR page.taken < least(want, page.fitting);
    want := want - page.taken;
    IF page.taken > 0 THEN
      reply.keys := reply.keys || page.keys;
      reply.fences := reply.fences || page.fences;
      reply.names := reply.names || page.names;
      reply.queues := reply.queues || page.queues;
      reply.args := reply.args || page.args;
      reply.attempts := reply.attempts || page.attempts;
      reply.crashes := reply.crashes || page.crashes;
      reply.deadlines := reply.deadlines || page.deadlines;
      reply.leased_ats := reply.leased_ats || page.leased_ats;
      reply.due_ats := reply.due_ats || page.due_ats;
      reply.everys := reply.everys || page.everys;
      reply.attempts_maxs := reply.attempts_maxs || page.attempts_maxs;
      reply.crashes_maxs := reply.crashes_maxs || page.crashes_maxs;
      reply.undecodable_sinces := reply.undecodable_sinces || page.undecodable_sinces;
    END IF;
    -- All due rows were read and are ours.
    EXIT WHEN page.seen < size AND page.taken = page.seen;
    after_at := page.visible_ats[page.fitting];
    after_seq := page.seqs[page.fitting];
    size := least(4 * size + 64, {BATCH_ITEMS_MAX});
  END LOOP;
END
$$;
