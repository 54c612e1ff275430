-- Transition: absent or finished -> Queued; Queued -> Queued, moved; Leased -> Leased with a
-- successor.
-- Tables: meta, task, tally, waiter.
-- Arguments: as for add.
-- Result: one text per task: placed, moved, follows, toofar, busy, moving; or the answer of an add
-- that used the same id.
-- Repeated: the record remembers the add id and gives the first answer again; nothing changes.
CREATE OR REPLACE FUNCTION docket.schedule(
  docket_name text, keys text[], ids uuid[], names text[], queues text[], payloads bytea[], kinds text[], times bigint[],
  everys bigint[], attempts_maxs bigint[], crashes_maxs bigint[]
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
  -- Wait only for the first busy key.
  patience_ms int := {LOCK_WAIT_MAX_MS};
  answers text[] := array_fill(''::text, ARRAY[cardinality(keys)]);
  lanes text[] := '{}';
  visibles bigint[] := '{}';
  finished bigint := 0;
  dead bigint := 0;
BEGIN
  SELECT e.id, docket.now_of(e.clock, e.ahead), e.ahead INTO d, moment, ahead FROM docket.enter(docket_name) e;
  times := docket.translated(kinds, times, ahead);
  seqs := ARRAY(SELECT nextval('docket.seq') FROM unnest(keys));
  FOR item IN
    SELECT * FROM unnest(keys, ids, names, queues, payloads, kinds, times, everys, attempts_maxs, crashes_maxs)
      WITH ORDINALITY AS i(key, id, name, queue, args, kind, micros, every, max_attempts, max_crashes, n)
    ORDER BY i.key COLLATE "C", i.n
  LOOP
    given := ROW(
      item.name, item.queue, item.args, docket.resolve(item.kind, item.micros, moment, moment), item.every,
      item.max_attempts, item.max_crashes, NULL
    );
    IF docket.is_too_far(given.visible_at, moment) THEN
      answers[item.n] := coalesce(docket.answered_before(d, item.key, item.id), 'toofar');
      CONTINUE;
    END IF;
    LOOP
      found := docket.try_lock(d, item.key, patience_ms);
      EXIT WHEN found <> 'absent';
      answer := 'placed';
      EXIT WHEN docket.create(d, item.key, given, seqs[item.n], moment, item.id, answer);
    END LOOP;
    IF found = 'busy' THEN
      answers[item.n] := 'busy';
      patience_ms := 0;
      CONTINUE;
    ELSIF found = 'ours' THEN
      rec := docket.lock(d, item.key);
      answer := docket.answered(rec.call_ids, rec.call_answers, item.id);
      IF answer IS NOT NULL THEN
        answers[item.n] := answer;
        CONTINUE;
      END IF;
      IF rec.state = 'moving' THEN
        answers[item.n] := 'moving';
        CONTINUE;
      END IF;
      IF rec.state = 'leased' THEN
        answers[item.n] := 'follows';
        rec.successor := given;
        PERFORM docket.store(docket.remember(rec, item.id, 'follows'), false);
        CONTINUE;
      END IF;
      answer := CASE rec.state WHEN 'queued' THEN 'moved' ELSE 'placed' END;
      finished := finished - docket.finished_by(rec);
      dead := dead - docket.dead_by(rec);
      PERFORM docket.replace(rec, given, seqs[item.n], moment, item.id, answer);
    END IF;
    answers[item.n] := answer;
    lanes := lanes || (item.queue || '|' || item.name);
    visibles := visibles || given.visible_at;
  END LOOP;
  PERFORM docket.tally(d, finished, dead);
  PERFORM docket.announce(d, moment, lanes, visibles);
  RETURN answers;
END
$$;
