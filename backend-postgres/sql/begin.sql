-- Transition: absent -> Queued (create); finished -> Queued, Queued -> Queued, moved (replace).
-- Tables: task.
-- Arguments: the work, the seq of the life, the id of the call and its answer. create answers
-- whether it inserted the row.
CREATE OR REPLACE FUNCTION docket.create(
  d int, task_key text, given docket.work, new_seq bigint, moment bigint, id uuid, answer text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO docket.task (
    docket, key, state, queue, name, visible_at, due_at, seq, added_at, every, max_attempts, max_crashes,
    call_ids, call_answers, args
  ) VALUES (
    d, task_key, 'queued', given.queue, given.name, given.visible_at, given.visible_at, new_seq, moment, given.every,
    given.max_attempts, given.max_crashes, ARRAY[id], ARRAY[answer], given.args
  ) ON CONFLICT DO NOTHING;
  RETURN FOUND;
END
$$;

-- Creates all tasks of a batch and returns their visible_at. Returns null, with nothing created, if
-- a key exists, occurs twice, or has a time that is too far away: the caller then takes the keys
-- one by one. Not ON CONFLICT: an insert that allows for a conflict logs a second record per row.
CREATE OR REPLACE FUNCTION docket.create_all(
  d int, keys text[], ids uuid[], names text[], queues text[], payloads bytea[], kinds text[], times bigint[],
  everys bigint[], attempts_maxs bigint[], crashes_maxs bigint[], seqs bigint[], moment bigint
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  visibles bigint[] := ARRAY(
    SELECT docket.resolve(t.kind, t.micros, moment, moment)
    FROM (SELECT unnest(kinds) AS kind, unnest(times) AS micros) t
  );
BEGIN
  IF docket.is_too_far((SELECT max(v) FROM unnest(visibles) v), moment) THEN
    RETURN NULL;
  END IF;
  -- Look for each key first: an insert of an existing key would wait for the transaction that locks it.
  IF EXISTS (
    SELECT FROM unnest(keys) AS k(key)
    CROSS JOIN LATERAL (SELECT FROM docket.task t WHERE t.docket = d AND t.key = k.key OFFSET 0) found
  ) THEN
    RETURN NULL;
  END IF;
  INSERT INTO docket.task (
    docket, key, state, queue, name, visible_at, due_at, seq, added_at, every, max_attempts, max_crashes,
    call_ids, call_answers, args
  )
  SELECT d, i.key, 'queued', i.queue, i.name, i.visible_at, i.visible_at, i.seq, moment, i.every, i.max_attempts,
    i.max_crashes, ARRAY[i.id], ARRAY['added'], i.args
  -- unnest in the select list: in FROM, each list would be materialised before the first row is
  -- made.
  FROM (
    SELECT unnest(keys) AS key, unnest(ids) AS id, unnest(names) AS name, unnest(queues) AS queue, unnest(payloads) AS args,
      unnest(visibles) AS visible_at, unnest(everys) AS every, unnest(attempts_maxs) AS max_attempts,
      unnest(crashes_maxs) AS max_crashes, unnest(seqs) AS seq
  ) i
  ORDER BY i.key COLLATE "C";
  RETURN visibles;
EXCEPTION WHEN unique_violation THEN
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION docket.replace(
  rec docket.task, given docket.work, new_seq bigint, moment bigint, id uuid, answer text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  rec := docket.take_over(rec, given);
  rec := docket.remember(rec, id, answer);
  IF answer <> 'moved' THEN
    rec.seq := new_seq;
    rec.added_at := moment;
  END IF;
  PERFORM docket.store(rec, false);
END
$$;

-- Locks a record, waiting at most `patience_ms`: answers `ours`, `absent` or `busy`. The holder may
-- be a transaction that the application left open.
CREATE OR REPLACE FUNCTION docket.try_lock(d int, task_key text, patience_ms int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  before text := current_setting('lock_timeout');
  is_there boolean;
BEGIN
  PERFORM FROM docket.task t WHERE t.docket = d AND t.key = task_key FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    RETURN 'ours';
  ELSIF NOT EXISTS (SELECT FROM docket.task t WHERE t.docket = d AND t.key = task_key) THEN
    RETURN 'absent';
  ELSIF patience_ms <= 0 THEN
    RETURN 'busy';
  END IF;
  -- A real lock request queues behind the other waiters, so that a contended key goes from one to
  -- the next.
  BEGIN
    PERFORM set_config('lock_timeout', patience_ms::text, true);
    PERFORM FROM docket.task t WHERE t.docket = d AND t.key = task_key FOR UPDATE;
    is_there := FOUND;
    PERFORM set_config('lock_timeout', before, true);
    RETURN CASE WHEN is_there THEN 'ours' ELSE 'absent' END;
  EXCEPTION WHEN lock_not_available THEN
    RETURN 'busy';
  END;
END
$$;

-- Locks records in the order of their keys, so that two batches cannot deadlock. A loop, not a
-- join: the planner may reorder a join. Answers for each key as try_lock does. The caller must not
-- touch an absent key that appears later: it would be locked out of order. Waits only for the first
-- busy key.
CREATE OR REPLACE FUNCTION docket.lock_all(d int, keys text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  item record;
  answer text;
  answers text[] := array_fill(''::text, ARRAY[cardinality(keys)]);
  patience_ms int := {LOCK_WAIT_MS};
BEGIN
  FOR item IN SELECT * FROM unnest(keys) WITH ORDINALITY AS k(key, n) ORDER BY k.key COLLATE "C" LOOP
    answer := docket.try_lock(d, item.key, patience_ms);
    answers[item.n] := answer;
    IF answer = 'busy' THEN
      patience_ms := 0;
    END IF;
  END LOOP;
  RETURN answers;
END
$$;

-- Reads a record for its next step, without the large columns, and locks it unless this transaction
-- already did.
CREATE OR REPLACE FUNCTION docket.lock(d int, task_key text) RETURNS docket.task LANGUAGE plpgsql AS $$
DECLARE
  rec docket.task;
BEGIN
  SELECT * INTO rec FROM docket.task t WHERE t.docket = d AND t.key = task_key FOR UPDATE;
  rec.args := NULL;
  rec.result := NULL;
  rec.error := NULL;
  RETURN rec;
END
$$;
