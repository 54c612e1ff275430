-- Transition: Dead, or a finished periodic task, of the same fence -> Queued, due now, with the
-- docket's next fence.
-- Tables: meta, task, tally, waiter.
-- Arguments: key, fence (0: it had none).
-- Result: requeued, exists:STATE, exists:cancelling, notfound, busy, elsewhere (its task was
-- moved).
-- Repeated: the record remembers the fence that was requeued last and answers requeued again; a
-- later life is never requeued.
CREATE OR REPLACE FUNCTION docket.requeue(docket_name text, task_key text, death bigint)
RETURNS text LANGUAGE plpgsql {ENTRY} AS $$
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
  IF rec.key IS NULL THEN
    RETURN 'notfound';
  END IF;
  IF rec.requeued = death THEN
    RETURN 'requeued';
  ELSIF rec.state = 'cancelled' AND rec.parcel IS NOT NULL THEN
    RETURN 'elsewhere';
  END IF;
  IF rec.state IN ('queued', 'leased', 'moving') OR (rec.state <> 'dead' AND rec.every IS NULL)
    OR coalesce(rec.fence, 0) <> death THEN
    RETURN docket.existing(rec, moment);
  END IF;
  PERFORM docket.tally(d, -docket.finished_by(rec), -docket.dead_by(rec));
  rec.state := 'queued';
  rec.visible_at := moment;
  rec.due_at := moment;
  rec.seq := nextval('docket.seq');
  rec.added_at := moment;
  rec.requeued := death;
  -- A new fence, so that a death without another lease still has a fence of its own.
  PERFORM docket.reach_fence(moment);
  rec.fence := nextval('docket.fence');
  rec.attempts := 0;
  rec.crashes := 0;
  rec.failures := 0;
  rec.crashed_in_a_row := 0;
  rec.undecodable_since := NULL;
  PERFORM docket.store(rec, false);
  PERFORM docket.announce(d, moment, ARRAY[rec.queue || '|' || rec.name], ARRAY[moment]);
  RETURN 'requeued';
END
$$;
