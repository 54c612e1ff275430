-- Transition: absent or finished -> Queued, by a parcel from another store; Queued -> Queued,
-- Leased -> Leased with a successor, by a later schedule of a task that had arrived before. Closed:
-- absent -> Cancelled, any -> unchanged.
-- Tables: meta, task, tally, waiter, the sequences.
-- Arguments: per parcel, by column, its fields (every, max_attempts, max_crashes, fence and error
-- may be null; scheduled: placed by a schedule); whether this docket is closed to parcels.
-- Result: one text per parcel: arrived, arrived:moved, arrived:follows, superseded, turnedaway,
-- moving, toofar, busy.
-- Repeated: the record remembers the parcel and gives the first answer again; nothing changes.
CREATE OR REPLACE FUNCTION docket.take_in(
  docket_name text, keys text[], ids uuid[], names text[], queues text[], payloads bytea[], visible_ats bigint[],
  due_ats bigint[], added_ats bigint[], everys bigint[], attempts_maxs bigint[], crashes_maxs bigint[],
  attempt_counts bigint[], crash_counts bigint[], failure_counts bigint[], crashed_in_rows bigint[], fences bigint[],
  errors bytea[], scheduleds boolean[], closed boolean
) RETURNS text[] LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  moment bigint;
  ahead bigint;
  seqs bigint[];
  item record;
  rec docket.task;
  given docket.work;
  answer text;
  found text;
  patience_ms int := {LOCK_WAIT_MAX_MS};
  answers text[] := array_fill(''::text, ARRAY[cardinality(keys)]);
  lanes text[] := '{}';
  visibles bigint[] := '{}';
  finished bigint := 0;
  dead bigint := 0;
BEGIN
  PERFORM docket.reach_fence((SELECT max(f) FROM unnest(fences) f));
  SELECT e.id, docket.now_of(e.clock, e.ahead), e.ahead INTO d, moment, ahead FROM docket.enter(docket_name) e;
  visible_ats := docket.translated(visible_ats, ahead);
  due_ats := docket.translated(due_ats, ahead);
  added_ats := docket.translated(added_ats, ahead);
  seqs := ARRAY(SELECT nextval('docket.seq') FROM unnest(keys));
  FOR item IN
    SELECT * FROM unnest(
      keys, ids, names, queues, payloads, visible_ats, due_ats, added_ats, everys, attempts_maxs, crashes_maxs,
      attempt_counts, crash_counts, failure_counts, crashed_in_rows, errors, scheduleds
    ) WITH ORDINALITY AS i(
      key, id, name, queue, args, visible_at, due_at, added_at, every, max_attempts, max_crashes, attempts, crashes,
      failures, crashed_in_a_row, error, scheduled, n
    )
    ORDER BY i.key COLLATE "C", i.n
  LOOP
    given := ROW(
      item.name, item.queue, item.args, item.visible_at, CASE WHEN NOT closed THEN item.every END, item.max_attempts,
      item.max_crashes, NULL
    );
    answer := CASE WHEN closed THEN 'turnedaway' ELSE 'arrived' END;
    IF NOT closed AND docket.is_too_far(item.visible_at, moment) THEN
      answers[item.n] := coalesce(docket.answered_before(d, item.key, item.id), 'toofar');
      CONTINUE;
    END IF;
    LOOP
      found := NULL;
      EXIT WHEN docket.create(d, item.key, given, seqs[item.n], moment, item.id, answer);
      found := docket.try_lock(d, item.key, patience_ms);
      EXIT WHEN found <> 'absent';
    END LOOP;
    IF found = 'busy' THEN
      patience_ms := 0;
      answers[item.n] := 'busy';
      CONTINUE;
    END IF;
    rec := docket.lock(d, item.key);
    IF found IS NULL AND closed THEN
      rec := docket.finish(rec, 'cancelled', {RETENTION}, moment);
      finished := finished + docket.finished_by(rec);
      PERFORM docket.store(rec, false);
    ELSIF found = 'ours' THEN
      answer := coalesce(
        docket.answered(rec.call_ids, rec.call_answers, item.id),
        docket.judge(rec, item.scheduled, closed)
      );
      answers[item.n] := answer;
      CONTINUE WHEN answer = 'moving' OR item.id = ANY (rec.call_ids);
      IF answer IN ('arrived', 'arrived:moved') THEN
        finished := finished - docket.finished_by(rec);
        dead := dead - docket.dead_by(rec);
        rec := docket.take_over(rec, given);
        rec.seq := CASE answer WHEN 'arrived' THEN seqs[item.n] ELSE rec.seq END;
      ELSIF answer = 'arrived:follows' THEN
        rec.successor := given;
      END IF;
      PERFORM docket.store(docket.remember(rec, item.id, answer), false);
    END IF;
    answers[item.n] := answer;
    IF answer IN ('arrived', 'arrived:moved') THEN
      UPDATE docket.task t SET
        due_at = item.due_at, added_at = item.added_at, attempts = item.attempts, crashes = item.crashes,
        suspect = item.crashes >= {SUSPECT_CRASHES}, failures = item.failures,
        crashed_in_a_row = item.crashed_in_a_row, error = coalesce(item.error, t.error)
      WHERE t.docket = d AND t.key = item.key;
      lanes := lanes || (item.queue || '|' || item.name);
      visibles := visibles || item.visible_at;
    END IF;
  END LOOP;
  PERFORM docket.tally(d, finished, dead);
  PERFORM docket.announce(d, moment, lanes, visibles);
  RETURN answers;
END
$$;

-- The answer to a parcel that a record does not remember.
CREATE OR REPLACE FUNCTION docket.judge(rec docket.task, scheduled boolean, closed boolean)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN closed THEN 'turnedaway'
    WHEN rec.state = 'moving' THEN 'moving'
    WHEN rec.state NOT IN ('queued', 'leased') THEN 'arrived'
    WHEN NOT scheduled OR docket.origin(rec.call_answers) NOT LIKE 'arrived%' THEN 'superseded'
    WHEN rec.state = 'queued' THEN 'arrived:moved'
    ELSE 'arrived:follows'
  END
$$;
