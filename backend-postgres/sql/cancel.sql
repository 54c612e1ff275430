-- Transition: Queued -> Cancelled; Leased -> cancelling, without its successor; Leased and expired
-- -> Cancelled.
-- Tables: meta, task, tally.
-- Arguments: key, cancel id.
-- Result: cancelled, cancelling, finished:STATE, notfound, busy; moving, elsewhere (its task was
-- moved).
-- Repeated: the record remembers the cancel id and gives the first answer again; a later life is
-- never cancelled.
CREATE OR REPLACE FUNCTION docket.cancel(docket_name text, task_key text, id uuid)
RETURNS text LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  clock bigint;
  ahead bigint;
  moment bigint;
  rec docket.task;
  answer text;
BEGIN
  SELECT e.id, e.clock, e.ahead INTO d, clock, ahead FROM docket.enter(docket_name) e;
  IF docket.try_lock(d, task_key, {LOCK_WAIT_MAX_MS}) = 'busy' THEN
    RETURN 'busy';
  END IF;
  rec := docket.lock(d, task_key);
  moment := docket.now_of(clock, ahead);
  IF rec.key IS NULL THEN
    RETURN 'notfound';
  END IF;
  answer := docket.answered(rec.call_ids, rec.call_answers, id);
  IF answer IS NOT NULL THEN
    RETURN answer;
  END IF;
  IF rec.state = 'moving' THEN
    RETURN 'moving';
  ELSIF rec.state = 'cancelled' AND rec.parcel IS NOT NULL THEN
    RETURN 'elsewhere';
  END IF;
  IF rec.state NOT IN ('queued', 'leased') THEN
    answer := 'finished:' || rec.state;
  ELSE
    rec.successor := NULL;
    IF rec.state = 'leased' AND rec.visible_at > moment THEN
      answer := 'cancelling';
      rec.cancelling := true;
    ELSE
      answer := 'cancelled';
      rec := docket.finish(rec, 'cancelled', {RETENTION}, moment);
    END IF;
  END IF;
  PERFORM docket.store(docket.remember(rec, id, answer), false);
  IF answer = 'cancelled' THEN
    PERFORM docket.tally(d, docket.finished_by(rec), docket.dead_by(rec));
  END IF;
  RETURN answer;
END
$$;
