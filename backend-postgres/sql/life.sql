-- The steps of a life, as docs/transitions.md names them: promote, finish, back, next, crash. They
-- change a record in memory only; `store` writes it.
--
-- Callers empty its args, result and error first. Empty means unchanged, so that large columns are
-- neither read nor written again.

CREATE OR REPLACE FUNCTION docket.take_over(rec docket.task, given docket.work) RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  rec.name := given.name;
  rec.queue := given.queue;
  rec.args := given.args;
  rec.every := given.every;
  rec.max_attempts := given.max_attempts;
  rec.max_crashes := given.max_crashes;
  rec.state := 'queued';
  rec.visible_at := given.visible_at;
  rec.due_at := given.visible_at;
  rec.attempts := 0;
  rec.crashes := 0;
  rec.failures := 0;
  rec.crashed_in_a_row := 0;
  rec.undecodable_since := NULL;
  rec.cancelling := false;
  rec.successor := NULL;
  RETURN rec;
END
$$;

-- The same periodic task with another definition: its counters are reset, and its next run starts
-- at most one interval after its latest start.
CREATE OR REPLACE FUNCTION docket.redefine(rec docket.task, given docket.work, moment bigint)
RETURNS docket.task LANGUAGE plpgsql AS $$
DECLARE
  sooner bigint := CASE WHEN rec.leased_at IS NOT NULL THEN greatest(moment, rec.leased_at + given.every) END;
  visible bigint := CASE WHEN sooner < rec.visible_at THEN sooner ELSE rec.visible_at END;
  due bigint := CASE WHEN sooner < rec.visible_at THEN sooner ELSE rec.due_at END;
BEGIN
  rec := docket.take_over(rec, given);
  rec.visible_at := visible;
  rec.due_at := due;
  rec.definition := given.definition;
  RETURN rec;
END
$$;

-- However a lease ends, its successor or its pending definition takes over. A cancelled periodic
-- task ignores a pending definition.
CREATE OR REPLACE FUNCTION docket.promote(rec docket.task, moment bigint) RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  IF (rec.successor).definition IS NOT NULL THEN
    IF rec.state = 'queued' THEN
      rec := docket.redefine(rec, rec.successor, moment);
    END IF;
    rec.successor := NULL;
  ELSIF (rec.successor).name IS NOT NULL THEN
    rec := docket.take_over(rec, rec.successor);
    rec.seq := nextval('docket.seq');
    rec.added_at := moment;
  END IF;
  RETURN rec;
END
$$;

CREATE OR REPLACE FUNCTION docket.finish(rec docket.task, final text, retention bigint, moment bigint)
RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  rec.state := final;
  rec.visible_at := moment;
  rec.expires_at := moment + CASE final WHEN 'dead' THEN {DEAD_RETENTION} ELSE retention END;
  rec.cancelling := false;
  RETURN docket.promote(rec, moment);
END
$$;

CREATE OR REPLACE FUNCTION docket.back(rec docket.task, visible bigint, moment bigint)
RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  rec.state := 'queued';
  rec.visible_at := visible;
  rec.due_at := visible;
  rec.cancelling := false;
  RETURN docket.promote(rec, moment);
END
$$;

-- The next occurrence of a periodic task; `failure` is the error of this one, if any.
CREATE OR REPLACE FUNCTION docket.next(rec docket.task, visible bigint, failure bytea, moment bigint)
RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  rec.attempts := 0;
  rec.crashes := 0;
  rec.undecodable_since := NULL;
  rec.error := failure;
  rec.failures := CASE WHEN failure IS NULL THEN 0 ELSE rec.failures + 1 END;
  RETURN docket.back(rec, visible, moment);
END
$$;

-- An expired lease: one crash and its consequences. `limited`: the crash limit was reached.
CREATE OR REPLACE FUNCTION docket.crash(INOUT rec docket.task, max_crashes bigint, moment bigint, OUT limited boolean)
LANGUAGE plpgsql AS $$
DECLARE
  wait numeric;
BEGIN
  limited := false;
  rec.crashes := rec.crashes + 1;
  IF rec.cancelling THEN
    rec := docket.finish(rec, 'cancelled', {RETENTION}, moment);
  ELSIF rec.crashes < coalesce(rec.max_crashes, max_crashes) THEN
    -- due_at stays: the position in the lane. visible_at stays too: a lost lease comes first.
    rec.state := 'queued';
    rec := docket.promote(rec, moment);
  ELSIF rec.every IS NOT NULL THEN
    limited := true;
    rec.crashed_in_a_row := rec.crashed_in_a_row + 1;
    wait := rec.every * 2::numeric ^ least(rec.crashed_in_a_row, 60);
    wait := least(wait, greatest({CRASH_WAIT_MAX}, rec.every));
    rec := docket.next(rec, moment + wait::bigint, '{CRASH_LIMIT}', moment);
  ELSE
    limited := true;
    rec.error := '{CRASH_LIMIT}';
    rec := docket.finish(rec, 'dead', {RETENTION}, moment);
  END IF;
END
$$;

-- Writes a record. `settles`: store its result, even an empty one. A new life (a new seq) has no
-- result.
CREATE OR REPLACE FUNCTION docket.store(rec docket.task, settles boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE docket.task t SET
    state = rec.state, queue = rec.queue, name = rec.name, suspect = rec.crashes >= {SUSPECT_CRASHES},
    visible_at = rec.visible_at, due_at = rec.due_at, seq = rec.seq, added_at = rec.added_at,
    attempts = rec.attempts, crashes = rec.crashes, failures = rec.failures,
    crashed_in_a_row = rec.crashed_in_a_row, undecodable_since = rec.undecodable_since, every = rec.every, max_attempts = rec.max_attempts,
    max_crashes = rec.max_crashes, cancelling = rec.cancelling, fence = rec.fence, expires_at = rec.expires_at,
    settled_fence = rec.settled_fence, settled_request = rec.settled_request, requeued = rec.requeued,
    call_ids = rec.call_ids, call_answers = rec.call_answers, successor = rec.successor,
    definition = rec.definition, declared_ids = rec.declared_ids, declared_untils = rec.declared_untils,
    error = coalesce(rec.error, t.error), args = coalesce(rec.args, t.args),
    parcel = CASE WHEN t.seq = rec.seq THEN t.parcel END,
    result = CASE WHEN t.seq <> rec.seq THEN NULL WHEN settles THEN rec.result ELSE t.result END
  WHERE t.docket = rec.docket AND t.key = rec.key;
END
$$;
