-- Transition: Leased -> as the outcome says, for each current token.
-- Tables: meta, task, request, worker, tally, waiter.
-- Arguments: per ack, by column: key, fence, request, outcome, kind of time, its microseconds, the
-- text (result, error or args; may be null), max_attempts, retention.
-- Result: one text per ack: settled, stale, toofar, busy; the number of dead tasks trimmed.
-- Repeated: the record remembers the token that settled it last and answers settled again.
CREATE OR REPLACE FUNCTION docket.ack(
  docket_name text, keys text[], fences bigint[], requests uuid[], outcomes text[], kinds text[], times bigint[],
  contents bytea[], attempts_maxs bigint[], retentions bigint[],
  OUT answers text[], OUT dead_trimmed bigint
) LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  clock bigint;
  ahead bigint;
  seen bigint;
  moment bigint;
  rec docket.task;
  locks text[];
  trimmed record;
  lanes text[] := '{}';
  visibles bigint[] := '{}';
  finished bigint := 0;
  dead bigint := 0;
BEGIN
  SELECT e.id, e.clock, e.ahead, e.seen INTO d, clock, ahead, seen FROM docket.enter(docket_name) e;
  times := docket.translated(kinds, times, ahead);
  answers := docket.complete_all(d, docket.now_of(clock, ahead), keys, fences, requests, outcomes, contents, retentions);
  IF answers IS NOT NULL THEN
    finished := cardinality(keys);
  ELSE
    locks := docket.lock_all(d, keys);
    answers := '{}';
  END IF;
  moment := docket.now_of(clock, ahead);
  FOR i IN cardinality(answers) + 1 .. cardinality(keys) LOOP
    rec := NULL;
    IF locks[i] = 'ours' THEN
      rec := docket.lock(d, keys[i]);
    ELSIF locks[i] = 'busy' THEN
      -- The row is locked by another transaction. A token that is not current now never becomes
      -- current again, so no lock is needed to answer stale or lost.
      SELECT * INTO rec FROM docket.task t WHERE t.docket = d AND t.key = keys[i];
    END IF;
    IF rec.state = 'leased' AND rec.fence = fences[i] AND rec.request = requests[i] THEN
      IF locks[i] = 'busy' THEN
        answers := answers || 'busy'::text;
        CONTINUE;
      END IF;
      IF docket.is_too_far(docket.resolve(kinds[i], times[i], moment, moment), moment) THEN
        answers := answers || 'toofar'::text;
        CONTINUE;
      END IF;
      rec := docket.settle(
        rec, moment, outcomes[i], kinds[i], times[i], contents[i], attempts_maxs[i], retentions[i]
      );
      PERFORM docket.store(rec, outcomes[i] IN ('completed', 'unkept'));
      finished := finished + docket.finished_by(rec);
      dead := dead + docket.dead_by(rec);
      IF rec.state = 'queued' THEN
        lanes := lanes || (rec.queue || '|' || rec.name);
        visibles := visibles || rec.visible_at;
      END IF;
      answers := answers || 'settled'::text;
    ELSIF rec.settled_fence = fences[i] AND rec.settled_request = requests[i] THEN
      answers := answers || 'settled'::text;
    ELSE
      answers := answers || 'stale'::text;
    END IF;
  END LOOP;
  SELECT * INTO trimmed FROM docket.trim(d, moment, cardinality(keys), finished, dead);
  finished := finished - trimmed.finished;
  dead := dead - trimmed.dead;
  dead_trimmed := trimmed.dead;
  PERFORM docket.note_time(d, clock, seen, moment);
  PERFORM docket.tally(d, finished, dead);
  PERFORM docket.announce(d, moment, lanes, visibles);
END
$$;

-- Fast path: settles a batch in which every ack is `completed` and every task is one-shot, without
-- a successor and not being cancelled. Returns null, with nothing changed, if a row does not qualify
-- or is locked. Takes no row lock beforehand: that would log one more record per row.
CREATE OR REPLACE FUNCTION docket.complete_all(
  d int, moment bigint, keys text[], fences bigint[], requests uuid[], outcomes text[], contents bytea[],
  retentions bigint[]
) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  before text := current_setting('lock_timeout');
  found bigint;
  settled bigint;
BEGIN
  IF 'completed' <> ANY (outcomes) THEN
    RETURN NULL;
  END IF;
  PERFORM set_config('lock_timeout', '{LOCK_WAIT_MS}', true);
  WITH items AS MATERIALIZED (
    SELECT k.*, t.place, t.version FROM (
      SELECT * FROM unnest(keys, fences, requests, contents, retentions) AS u(key, fence, request, content, retention)
      ORDER BY u.key COLLATE "C"
    ) k
    -- A lateral lookup per key, then an update by place and version (see lease_from). For a plain
    -- join, the planner might read the whole table.
    CROSS JOIN LATERAL (
      SELECT s.ctid AS place, s.xmin AS version, s.xmin = s.xmax OR s.xmax = 0 AS is_free, s.* FROM docket.task s
      WHERE s.docket = d AND s.key = k.key OFFSET 0
    ) t
    WHERE t.state = 'leased' AND t.fence = k.fence AND t.request = k.request AND t.is_free AND t.every IS NULL
      AND NOT t.cancelling AND t.successor IS NULL
  ), done AS (
    UPDATE docket.task t SET
      state = 'completed', visible_at = moment, expires_at = moment + i.retention, settled_fence = i.fence,
      settled_request = i.request, crashed_in_a_row = 0, result = i.content
    FROM items i WHERE t.ctid = i.place AND t.xmin = i.version AND (SELECT count(*) FROM items) = cardinality(keys)
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM items), (SELECT count(*) FROM done) INTO found, settled;
  PERFORM set_config('lock_timeout', before, true);
  IF found < cardinality(keys) THEN
    RETURN NULL;
  END IF;
  -- A concurrent transaction changed one of the rows: roll the whole batch back.
  IF settled < cardinality(keys) THEN
    RAISE lock_not_available;
  END IF;
  RETURN array_fill('settled'::text, ARRAY[cardinality(keys)]);
EXCEPTION WHEN lock_not_available THEN
  RETURN NULL;
END
$$;
