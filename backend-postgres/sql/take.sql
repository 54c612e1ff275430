-- Transition: as for lease. One poll for tasks.
-- Tables: task, request, worker, tally, floor, waiter.
-- Arguments: the request; counter deltas.
-- Result: see docket.reply. Not answered: this poll within a wait leased nothing and registered its
-- waiter; or it skipped locked rows, and the caller asks again shortly.
-- Repeated: the request is remembered with its keys. Its leases that nobody has retaken are
-- returned with a new deadline, and nothing new is leased.
CREATE OR REPLACE FUNCTION docket.take(
  d int, clock bigint, ahead bigint, moment bigint, ask docket.ask, finished bigint, dead bigint
) RETURNS docket.reply LANGUAGE plpgsql AS $$
DECLARE
  reply docket.reply;
  before text[];
  is_known boolean;
  locks text[];
  rec docket.task;
  lanes_asked record;
  swept record;
  picked record;
  group_rank int;
  taken text[] := '{}';
  bytes bigint := 0;
  suspect boolean := false;
  skipped boolean := false;
  head bigint;
  -- The lanes and times of the tasks that this call has queued again, and the earliest of these times.
  lanes text[] := '{}';
  visibles bigint[] := '{}';
  lowest bigint;
  read_before bigint;
  in_vain bigint;
BEGIN
  reply.crashed := 0;
  reply.limited := '{}';
  reply.dead_trimmed := 0;
  -- Two copies of a request at once: the second waits and then counts as a repetition.
  PERFORM pg_advisory_xact_lock(hashtextextended(ask.request::text, d));
  SELECT * INTO lanes_asked FROM docket.lanes(d, ask.queues, ask.names, moment);
  read_before := docket.entries_read();
  SELECT r.keys INTO before FROM docket.request r WHERE r.docket = d AND r.request = ask.request;
  is_known := FOUND;
  IF is_known THEN
    locks := docket.lock_all(d, before);
    FOR i IN 1 .. cardinality(before) LOOP
      -- Leave a busy one out: its lease expires by itself.
      CONTINUE WHEN locks[i] <> 'ours';
      rec := docket.lock(d, before[i]);
      CONTINUE WHEN rec.state IS DISTINCT FROM 'leased' OR rec.request <> ask.request;
      UPDATE docket.task t SET visible_at = moment + ask.lease WHERE t.docket = d AND t.key = before[i];
      taken := taken || before[i];
      suspect := suspect OR rec.suspect;
    END LOOP;
    reply := docket.bring(d, taken, reply);
    IF cardinality(taken) > 0 THEN
      -- One of these leases, with its earlier deadline, may have been the first of its lane.
      read_before := read_before - docket.entries_read();
      SELECT * INTO lanes_asked FROM docket.lanes(d, ask.queues, ask.names, moment);
      read_before := read_before + docket.entries_read();
    END IF;
  ELSE
    SELECT * INTO swept FROM docket.sweep(d, moment, ask, lanes_asked.queues, lanes_asked.names);
    reply.crashed := swept.crashed;
    reply.limited := swept.limited;
    skipped := swept.skipped;
    lanes := swept.lanes;
    visibles := swept.visibles;
    finished := finished + swept.finished;
    dead := dead + swept.dead;
    -- Requeued tasks are compared with the low-water marks at the end of this call.
    lowest := (SELECT min(v) FROM unnest(visibles) v);
    IF swept.crashed > 0 THEN
      -- A successor may have appeared in another lane.
      read_before := read_before - docket.entries_read();
      SELECT * INTO lanes_asked FROM docket.lanes(d, ask.queues, ask.names, moment);
      read_before := read_before + docket.entries_read();
    END IF;
    PERFORM docket.reach_fence(moment);
    IF ask.count >= {TURN_ITEMS_MIN} THEN
      PERFORM docket.take_turn(d);
    END IF;
    FOR group_rank IN
      SELECT DISTINCT CASE WHEN ask.earliest THEN 0 ELSE r END FROM unnest(lanes_asked.ranks) r ORDER BY 1
    LOOP
      EXIT WHEN cardinality(taken) >= ask.count;
      SELECT * INTO picked FROM docket.lease_from(
        d, moment, ask,
        ARRAY(SELECT l.q FROM unnest(lanes_asked.queues, lanes_asked.ranks) AS l(q, r)
          WHERE ask.earliest OR l.r = group_rank),
        ARRAY(SELECT l.n FROM unnest(lanes_asked.names, lanes_asked.ranks) AS l(n, r)
          WHERE ask.earliest OR l.r = group_rank),
        ask.count - cardinality(taken), ask.suspects AND NOT suspect, lowest, reply, bytes
      );
      reply := picked.reply;
      taken := coalesce(reply.keys, '{}');
      bytes := picked.bytes;
      suspect := suspect OR picked.has_suspect;
      skipped := skipped OR picked.skipped;
      EXIT WHEN picked.is_full;
    END LOOP;
  END IF;
  reply.answered := is_known OR cardinality(taken) > 0 OR (ask.last AND (ask.force OR NOT skipped));
  IF reply.answered AND NOT is_known THEN
    PERFORM docket.remember_request(d, moment, ask.request, taken);
  END IF;
  head := least(
    lanes_asked.later, CASE WHEN ask.suspects AND NOT suspect THEN lanes_asked.later_suspect END,
    docket.head(d, lanes_asked.queues, lanes_asked.names, ask.suspects AND NOT suspect, lowest, moment + ask.lease)
  );
  reply.next_visible := CASE WHEN head IS NOT NULL THEN greatest(head - moment, 0) END;
  reply.oldest_ready := CASE WHEN head <= moment THEN moment - head END;
  PERFORM docket.tally(d, finished, dead);
  PERFORM docket.write_worker(d, moment, ask.worker, ask.record, ask.ttl, true);
  in_vain := docket.entries_read() - read_before - coalesce(cardinality(lanes_asked.queues), 0) * (ask.count + 4);
  IF in_vain > {FLOOR_ENTRIES_MIN} THEN
    PERFORM docket.raise_floors(
      d, moment, ask.lease, lanes_asked.queues, lanes_asked.names, in_vain > {FLOOR_ENTRIES_MAX}
    );
  END IF;
  IF NOT reply.answered THEN
    -- A worker that only polls now and then is not a waiter.
    IF ask.waiter IS NOT NULL THEN
      reply.channel := docket.channel(d);
      PERFORM docket.wait_until(d, ask);
      -- A task that was committed between the poll and the registration notified nobody; it is
      -- visible by now.
      head := docket.head_anew(d, ask, lanes_asked.queues, lanes_asked.names, moment, suspect, lowest);
      reply.next_visible := CASE WHEN head IS NOT NULL THEN greatest(head - docket.now_of(clock, ahead), 0) END;
      -- A request without suspects has not seen all tasks.
      IF ask.suspects AND NOT skipped THEN
        PERFORM docket.tell_seen(d, clock, ahead, ask.deputy, lowest, moment + ask.lease);
      END IF;
    END IF;
    -- A clock override does not move; still retry rows that other calls had locked.
    reply.due := CASE WHEN clock IS NULL OR skipped OR reply.next_visible = 0 THEN reply.next_visible END;
  ELSIF ask.waiter IS NOT NULL THEN
    -- This waiter was woken, and its poll may have come too early to see the task.
    IF docket.leave(d, ask.waiter) AND docket.head_anew(
      d, ask, lanes_asked.queues, lanes_asked.names, moment, suspect, lowest
    ) <= docket.now_of(clock, ahead) THEN
      PERFORM docket.pass_on(d);
    END IF;
  END IF;
  -- Order matters: whoever holds `wait_lock` exclusively may also take it shared, not the other way
  -- round.
  IF cardinality(taken) > 0 THEN
    PERFORM docket.lower_leased(d, moment + ask.lease);
  END IF;
  PERFORM docket.announce(d, moment, lanes, visibles);
  reply.ahead := ahead;
  reply.clock_offset := 0;
  reply.clock_steps := 0;
  IF ahead <> 0 THEN
    SELECT take.ahead - m.settled, m.steps INTO reply.clock_offset, reply.clock_steps FROM docket.meta m WHERE m.id = d;
  END IF;
  RETURN reply;
END
$$;

-- The lease mutex: large requests go one after the other. Otherwise each reads over all rows that
-- the others have locked and not yet committed, and tries to lock rows they leased a moment ago.
-- Only for speed, so a request that has waited too long goes on.
CREATE OR REPLACE FUNCTION docket.take_turn(d int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  before text := current_setting('lock_timeout');
BEGIN
  PERFORM set_config('lock_timeout', '{TURN_WAIT_MAX_MS}', true);
  PERFORM pg_advisory_xact_lock(hashtextextended('turn of ' || docket.channel(d), 0));
  PERFORM set_config('lock_timeout', before, true);
EXCEPTION WHEN lock_not_available THEN
  NULL;
END
$$;

-- When the next task for this request becomes visible. `lowest`, `deadline`: the earliest times
-- that this call has given a queued and a leased task.
CREATE OR REPLACE FUNCTION docket.head(
  d int, lane_queues text[], lane_names text[], suspects boolean, lowest bigint, deadline bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT min(h.visible_at) FROM unnest(lane_queues, lane_names) AS l(queue, name)
  CROSS JOIN LATERAL docket.floor_of(d, 'queued', l.queue, l.name, lowest) q
  CROSS JOIN LATERAL docket.floor_of(d, 'leased', l.queue, l.name, deadline) r
  CROSS JOIN LATERAL (
    (SELECT t.visible_at FROM docket.task t
      WHERE t.docket = d AND t.state = 'queued' AND t.queue = l.queue AND t.name = l.name AND NOT t.suspect
        AND (t.visible_at, t.seq) >= (q.visible_at, q.seq)
      ORDER BY t.visible_at, t.seq LIMIT 1)
    UNION ALL
    (SELECT t.visible_at FROM docket.task t
      WHERE t.docket = d AND t.state = 'leased' AND t.queue = l.queue AND t.name = l.name AND NOT t.suspect
        AND (t.visible_at, t.seq) >= (r.visible_at, r.seq)
      ORDER BY t.visible_at, t.seq LIMIT 1)
    UNION ALL
    (SELECT t.visible_at FROM docket.task t
      WHERE suspects AND t.docket = d AND t.state = 'queued' AND t.queue = l.queue AND t.name = l.name AND t.suspect
      ORDER BY t.visible_at, t.seq LIMIT 1)
    UNION ALL
    (SELECT t.visible_at FROM docket.task t
      WHERE suspects AND t.docket = d AND t.state = 'leased' AND t.queue = l.queue AND t.name = l.name AND t.suspect
      ORDER BY t.visible_at, t.seq LIMIT 1)
  ) h);
END
$$;

-- The same at the end of a call that has read these lanes: one more of many lanes may have become
-- due meanwhile.
CREATE OR REPLACE FUNCTION docket.head_anew(
  d int, ask docket.ask, lane_queues text[], lane_names text[], moment bigint, has_suspect boolean, lowest bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  may_suspect boolean := ask.suspects AND NOT has_suspect;
  lanes record;
BEGIN
  IF cardinality(ask.queues) * cardinality(ask.names) <= {LANES_MAX} THEN
    RETURN docket.head(d, lane_queues, lane_names, may_suspect, lowest, moment + ask.lease);
  END IF;
  SELECT * INTO lanes FROM docket.lanes(d, ask.queues, ask.names, moment);
  RETURN least(
    lanes.later, CASE WHEN may_suspect THEN lanes.later_suspect END,
    docket.head(d, lanes.queues, lanes.names, may_suspect, lowest, moment + ask.lease)
  );
END
$$;

-- The leases of these keys, by column, in the same order.
CREATE OR REPLACE FUNCTION docket.bring(d int, taken text[], reply docket.reply) RETURNS docket.reply LANGUAGE plpgsql AS $$
BEGIN
  SELECT array_agg(t.key), array_agg(t.fence), array_agg(t.name), array_agg(t.queue), array_agg(t.args),
    array_agg(t.attempts), array_agg(t.crashes), array_agg(t.visible_at), array_agg(t.leased_at), array_agg(t.due_at),
    array_agg(t.every), array_agg(t.max_attempts), array_agg(t.max_crashes), array_agg(t.undecodable_since)
  INTO reply.keys, reply.fences, reply.names, reply.queues, reply.args, reply.attempts, reply.crashes, reply.deadlines,
    reply.leased_ats, reply.due_ats, reply.everys, reply.attempts_maxs, reply.crashes_maxs,
    reply.undecodable_sinces
  FROM (
    SELECT t.* FROM unnest(taken) WITH ORDINALITY AS k(key, n)
    CROSS JOIN LATERAL (SELECT * FROM docket.task s WHERE s.docket = d AND s.key = k.key OFFSET 0) t
    ORDER BY k.n
  ) t;
  RETURN reply;
END
$$;

-- Remembers an answered request, even one that leased nothing, and deletes some expired ones.
CREATE OR REPLACE FUNCTION docket.remember_request(d int, moment bigint, id uuid, taken text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  floor bigint := docket.trim_floor(d, 'request', moment);
  read_before bigint := pg_stat_get_xact_tuples_returned('docket.request_age'::regclass);
BEGIN
  DELETE FROM docket.request r WHERE r.ctid = ANY (ARRAY(
    SELECT old.ctid FROM docket.request old
    WHERE old.docket = d AND old.answered_at <= moment - {REQUEST_MEMORY} AND old.answered_at >= floor
    ORDER BY old.answered_at LIMIT {TRIM_ITEMS_MAX} FOR UPDATE SKIP LOCKED
  ));
  IF pg_stat_get_xact_tuples_returned('docket.request_age'::regclass) - read_before > {FLOOR_ENTRIES_MIN} THEN
    PERFORM docket.raise_trim_floor(d, 'request', moment, (
      SELECT old.answered_at FROM docket.request old WHERE old.docket = d AND old.answered_at >= floor
      ORDER BY old.answered_at LIMIT 1
    ));
  END IF;
  INSERT INTO docket.request (docket, request, answered_at, keys) VALUES (d, id, moment, taken);
END
$$;
