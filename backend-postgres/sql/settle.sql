-- Transition: Leased -> as the outcome says, for one current token. Changes the record in memory;
-- ack writes it.
-- Arguments: outcome, kind of time, its microseconds, the text (result, error or args; may be
-- null), max_attempts, retention.
CREATE OR REPLACE FUNCTION docket.settle(
  rec docket.task, moment bigint, outcome text, kind text, micros bigint, content bytea, max_attempts bigint,
  retention bigint
) RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  IF rec.cancelling AND outcome NOT IN ('completed', 'unkept') THEN
    outcome := 'cancelled';
  END IF;
  rec.settled_fence := rec.fence;
  rec.settled_request := rec.request;
  IF outcome NOT IN ('undecodable', 'release') THEN
    -- A build could decode the args, or the worker gave up.
    rec.undecodable_since := NULL;
  END IF;
  CASE outcome
    WHEN 'completed' THEN
      rec.result := content;
      RETURN docket.done(rec, retention, moment);
    WHEN 'unkept' THEN
      rec.result := NULL;
      rec := docket.done(rec, retention, moment);
      rec.error := content;
      RETURN rec;
    WHEN 'retry' THEN
      rec.attempts := rec.attempts + 1;
      IF rec.attempts < coalesce(rec.max_attempts, max_attempts) THEN
        rec.error := content;
        RETURN docket.back(rec, moment + micros, moment);
      END IF;
      RETURN docket.fail(rec, content, moment);
    WHEN 'dead' THEN
      rec.attempts := rec.attempts + 1;
      RETURN docket.fail(rec, content, moment);
    WHEN 'snooze' THEN
      RETURN docket.back(rec, moment + micros, moment);
    WHEN 'undecodable' THEN
      rec.error := content;
      rec.undecodable_since := coalesce(rec.undecodable_since, moment);
      RETURN docket.back(rec, moment + micros, moment);
    WHEN 'release' THEN
      rec.state := 'queued';
      rec.visible_at := rec.due_at;
      RETURN docket.promote(rec, moment);
    WHEN 'repeat' THEN
      rec.crashed_in_a_row := 0;
      rec.args := content;
      RETURN docket.next(rec, docket.resolve(kind, micros, rec.leased_at, moment), NULL, moment);
    WHEN 'cancelled' THEN
      rec.crashed_in_a_row := 0;
      RETURN docket.finish(rec, 'cancelled', retention, moment);
  END CASE;
END
$$;

-- Done: completed, or the next occurrence of a periodic task.
CREATE OR REPLACE FUNCTION docket.done(rec docket.task, retention bigint, moment bigint)
RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  rec.crashed_in_a_row := 0;
  IF rec.every IS NOT NULL AND NOT rec.cancelling THEN
    RETURN docket.next(rec, moment + rec.every, NULL, moment);
  END IF;
  RETURN docket.finish(rec, 'completed', retention, moment);
END
$$;

-- Failed for good: dead, or the next occurrence of a periodic task.
CREATE OR REPLACE FUNCTION docket.fail(rec docket.task, failure bytea, moment bigint)
RETURNS docket.task LANGUAGE plpgsql AS $$
BEGIN
  rec.crashed_in_a_row := 0;
  IF rec.every IS NOT NULL THEN
    RETURN docket.next(rec, moment + rec.every, failure, moment);
  END IF;
  rec.error := failure;
  RETURN docket.finish(rec, 'dead', 0, moment);
END
$$;
