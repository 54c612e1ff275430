-- Transition: Leased -> as the outcome of a completed run says, for one current token, in a
-- transaction of the application: completed, or the next occurrence of a periodic task.
-- Tables: meta, task, tally.
-- Arguments: the token (key, fence, request), then as for settle.
-- Result: settled; before (an earlier call settled this token); stale; toofar; busy.
-- Repeated: before. Unlike an ack it does not answer settled again: the caller would commit its
-- effects twice.
CREATE OR REPLACE FUNCTION docket.complete(
  docket_name text, task_key text, task_fence bigint, task_request uuid, outcome text, kind text, micros bigint,
  content bytea, max_attempts bigint, retention bigint
) RETURNS text LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  clock bigint;
  ahead bigint;
  moment bigint;
  rec docket.task;
BEGIN
  SELECT e.id, e.clock, e.ahead INTO d, clock, ahead FROM docket.enter(docket_name) e;
  IF docket.try_lock(d, task_key, {LOCK_WAIT_MAX_MS}) = 'busy' THEN
    RETURN 'busy';
  END IF;
  rec := docket.lock(d, task_key);
  moment := docket.now_of(clock, ahead);
  IF rec.settled_fence = task_fence AND rec.settled_request = task_request THEN
    RETURN 'before';
  ELSIF rec.state IS DISTINCT FROM 'leased' OR rec.fence <> task_fence OR rec.request <> task_request THEN
    RETURN 'stale';
  END IF;
  micros := docket.translated(kind, micros, ahead);
  IF docket.is_too_far(docket.resolve(kind, micros, moment, moment), moment) THEN
    RETURN 'toofar';
  END IF;
  rec := docket.settle(rec, moment, outcome, kind, micros, content, max_attempts, retention);
  PERFORM docket.store(rec, outcome = 'completed');
  PERFORM docket.tally(d, docket.finished_by(rec), docket.dead_by(rec));
  IF rec.state = 'queued' THEN
    PERFORM docket.announce(d, moment, ARRAY[rec.queue || '|' || rec.name], ARRAY[rec.visible_at]);
  END IF;
  RETURN 'settled';
END
$$;
