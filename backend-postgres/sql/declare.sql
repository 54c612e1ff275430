-- Transition: Queued -> Queued with another definition; Leased -> Leased, to be redefined
-- afterwards; else none. Called by add for a declaration of a periodic task whose key exists.
-- Changes the record in memory; add writes it.
-- Arguments: the declared work with the id of its definition, and when the declaration ends.
-- Result: declared:FAILURES, superseded:FAILURES, redefined, taken, exists:STATE,
-- exists:cancelling.
-- Repeated: the declaration is noted again.

-- Notes a declaration in a record of a live task, and applies its definition if that is the one in
-- force.
CREATE OR REPLACE FUNCTION docket.declare(
  INOUT rec docket.task, given docket.work, ends bigint, moment bigint, OUT answer text
) LANGUAGE plpgsql AS $$
DECLARE
  put record;
BEGIN
  IF rec.name <> given.name OR rec.every IS NULL THEN
    answer := 'taken';
  ELSIF rec.state NOT IN ('queued', 'leased') OR rec.cancelling THEN
    answer := docket.existing(rec, moment);
  ELSE
    rec := docket.note(rec, given.definition, ends, moment);
    answer := 'superseded:' || rec.failures;
    IF docket.in_force(rec, moment) = given.definition THEN
      SELECT * INTO put FROM docket.put_in_force(rec, given, moment);
      rec := put.rec;
      answer := put.answer;
    END IF;
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION docket.note(rec docket.task, id uuid, ends bigint, moment bigint)
RETURNS docket.task LANGUAGE plpgsql AS $$
DECLARE
  place int;
BEGIN
  rec.declared_ids := coalesce(rec.declared_ids, '{}');
  rec.declared_untils := coalesce(rec.declared_untils, '{}');
  IF NOT moment < ANY (rec.declared_untils) AND rec.definition = ANY (rec.declared_ids) THEN
    -- Nobody has declared anything for a while, as after an outage: prolong the definition in force
    -- until the live workers declare again.
    rec.declared_untils[array_position(rec.declared_ids, rec.definition)] := ends;
  END IF;
  place := array_position(rec.declared_ids, id);
  IF place IS NOT NULL THEN
    rec.declared_untils[place] := greatest(rec.declared_untils[place], ends);
    RETURN rec;
  END IF;
  IF cardinality(rec.declared_ids) >= {DEFINITIONS_MAX} THEN
    place := (SELECT min(u.n) FROM unnest(rec.declared_untils) WITH ORDINALITY AS u(ends, n) WHERE u.ends <= moment);
    IF place IS NULL THEN
      RETURN rec;
    END IF;
    rec.declared_ids := rec.declared_ids[:place - 1] || rec.declared_ids[place + 1:];
    rec.declared_untils := rec.declared_untils[:place - 1] || rec.declared_untils[place + 1:];
  END IF;
  rec.declared_ids := rec.declared_ids || id;
  rec.declared_untils := rec.declared_untils || ends;
  RETURN rec;
END
$$;

-- Of the definitions declared now, the newest: the one that was first seen last.
CREATE OR REPLACE FUNCTION docket.in_force(rec docket.task, moment bigint) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
  RETURN (
    SELECT k.id FROM unnest(rec.declared_ids, rec.declared_untils) WITH ORDINALITY AS k(id, ends, n)
    WHERE k.ends > moment ORDER BY k.n DESC LIMIT 1
  );
END
$$;

-- Applies the definition in force: at once, or after the run.
CREATE OR REPLACE FUNCTION docket.put_in_force(INOUT rec docket.task, given docket.work, moment bigint, OUT answer text)
LANGUAGE plpgsql AS $$
DECLARE
  pending uuid := (rec.successor).definition;
  same_args boolean := (SELECT t.args = given.args FROM docket.task t WHERE t.docket = rec.docket AND t.key = rec.key);
BEGIN
  answer := 'declared:' || rec.failures;
  IF rec.definition = given.definition OR (
    same_args AND (rec.queue, rec.every) = (given.queue, given.every)
    AND rec.max_attempts IS NOT DISTINCT FROM given.max_attempts AND rec.max_crashes IS NOT DISTINCT FROM given.max_crashes
  ) THEN
    rec.definition := given.definition;
    -- The successor was another definition, which is no longer in force.
    IF pending IS NOT NULL THEN
      rec.successor := NULL;
    END IF;
  ELSIF rec.state = 'queued' THEN
    rec := docket.redefine(rec, given, moment);
    answer := 'redefined';
  ELSIF pending IS NULL AND (rec.successor).name IS NOT NULL THEN
    -- A scheduled successor has precedence.
    answer := 'superseded:' || rec.failures;
  ELSIF pending IS DISTINCT FROM given.definition THEN
    given.visible_at := greatest(moment, rec.leased_at + given.every);
    rec.successor := given;
    answer := 'redefined';
  END IF;
END
$$;
