-- Transition: none. The calls that a record remembers, and the state it shows.
-- answered, answered_before: the answer to an earlier call, if the record still remembers it.
-- remember: adds a call and drops the oldest.
-- shown: the state as Inspect shows it; an expired lease counts as ready.
-- existing: what an add or a requeue found.
CREATE OR REPLACE FUNCTION docket.answered(ids uuid[], answers text[], id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT answers[array_position(ids, id)]
$$;

CREATE OR REPLACE FUNCTION docket.answered_before(d int, task_key text, id uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN (
    SELECT docket.answered(t.call_ids, t.call_answers, id) FROM docket.task t WHERE t.docket = d AND t.key = task_key
  );
END
$$;

CREATE OR REPLACE FUNCTION docket.remember(rec docket.task, id uuid, answer text)
RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  rec.call_ids := rec.call_ids || id;
  rec.call_answers := rec.call_answers || answer;
  IF cardinality(rec.call_ids) > {CALL_IDS_MAX} THEN
    rec.call_ids := rec.call_ids[2:];
    rec.call_answers := rec.call_answers[2:];
  END IF;
  RETURN rec;
END
$$;

CREATE OR REPLACE FUNCTION docket.shown(state text, visible_at bigint, moment bigint)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN state NOT IN ('queued', 'leased') THEN state
    WHEN visible_at <= moment THEN 'ready'
    WHEN state = 'queued' THEN 'scheduled'
    ELSE 'running'
  END
$$;

CREATE OR REPLACE FUNCTION docket.existing(rec docket.task, moment bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT 'exists:' || CASE
    WHEN rec.state = 'leased' AND rec.cancelling THEN 'cancelling'
    ELSE docket.shown(rec.state, rec.visible_at, moment)
  END
$$;

-- How this task got its key: the latest answer that placed, moved or followed a task.
CREATE OR REPLACE FUNCTION docket.origin(answers text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce((
    SELECT a.answer FROM unnest(answers) WITH ORDINALITY AS a(answer, n)
    WHERE a.answer IN ('added', 'placed', 'moved', 'follows', 'arrived', 'arrived:moved', 'arrived:follows')
    ORDER BY a.n DESC LIMIT 1
  ), 'added')
$$;
