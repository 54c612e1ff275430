-- Transition: absent -> Queued (create); finished -> Queued, Queued -> Queued, moved (replace).
-- Tables: task.
-- Arguments: the work, the seq of the life, and the call with its answer. create answers whether it was the first.
CREATE OR REPLACE FUNCTION docket.create(
  d int, task_key text, given docket.work, new_seq bigint, moment bigint, id uuid, answer text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO docket.task (
    docket, key, state, queue, name, visible_at, due_at, seq, added_at, every, attempts_max, crashes_max,
    call_ids, call_answers, args
  ) VALUES (
    d, task_key, 'queued', given.queue, given.name, given.visible_at, given.visible_at, new_seq, moment, given.every,
    given.attempts_max, given.crashes_max, ARRAY[id], ARRAY[answer], given.args
  ) ON CONFLICT DO NOTHING;
  RETURN FOUND;
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

-- Locks some records in the order of their keys: two batches cannot wait for each other. Row by row, as everything here
-- that has a list of keys: a join of the list with the table could be planned the other way round. Answers for each key
-- whether it was there: one that comes later must not be touched, since it would be locked out of order.
CREATE OR REPLACE FUNCTION docket.lock_all(d int, keys text[]) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
  item record;
  found_keys boolean[] := array_fill(false, ARRAY[cardinality(keys)]);
BEGIN
  FOR item IN SELECT * FROM unnest(keys) WITH ORDINALITY AS k(key, n) ORDER BY k.key COLLATE "C" LOOP
    PERFORM FROM docket.task t WHERE t.docket = d AND t.key = item.key FOR UPDATE;
    found_keys[item.n] := FOUND;
  END LOOP;
  RETURN found_keys;
END
$$;

-- Reads and locks a record for its next step, without what is large.
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
