-- Transition: absent or finished -> Queued.
-- Tables: meta, task, tally, waiter.
-- Arguments: per task, by column: key, add id, name, queue, args, kind of time (now, in, at), its
-- microseconds, every, max_attempts, max_crashes (these three may be null); how long the
-- declaration lasts and the id of its definition (null, or no columns at all, if nothing is
-- declared).
-- Result: one text per task: added, exists:STATE, exists:cancelling, toofar, busy; the answer of a
-- schedule that used the same id; for a declaration also the answers of declare.sql.
-- Repeated: the record remembers the add id and gives the first answer again; nothing changes. A
-- declaration is noted again.
CREATE OR REPLACE FUNCTION docket.add(
  docket_name text, keys text[], ids uuid[], names text[], queues text[], payloads bytea[], kinds text[], times bigint[],
  everys bigint[], attempts_maxs bigint[], crashes_maxs bigint[], ttls bigint[], definitions uuid[]
) RETURNS text[] LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  moment bigint;
  ahead bigint;
  seqs bigint[];
  item record;
  rec docket.task;
  given docket.work;
  declared record;
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
  -- Numbers are drawn in the order given, while the rows are locked in the order of their keys, so
  -- that two batches cannot deadlock.
  seqs := ARRAY(SELECT nextval('docket.seq') FROM generate_series(1, cardinality(keys)));
  IF cardinality(definitions) = 0 THEN
    visibles := docket.create_all(
      d, keys, ids, names, queues, payloads, kinds, times, everys, attempts_maxs, crashes_maxs, seqs, moment
    );
  ELSE
    visibles := NULL;
  END IF;
  IF visibles IS NOT NULL THEN
    lanes := ARRAY(SELECT w.queue || '|' || w.name FROM (SELECT unnest(queues) AS queue, unnest(names) AS name) w);
    PERFORM docket.announce(d, moment, lanes, visibles);
    RETURN array_fill('added'::text, ARRAY[cardinality(keys)]);
  END IF;
  visibles := '{}';
  FOR item IN
    SELECT * FROM unnest(
      keys, ids, names, queues, payloads, kinds, times, everys, attempts_maxs, crashes_maxs, ttls, definitions
    ) WITH ORDINALITY AS i(key, id, name, queue, args, kind, micros, every, max_attempts, max_crashes, ttl, definition, n)
    ORDER BY i.key COLLATE "C", i.n
  LOOP
    given := ROW(
      item.name, item.queue, item.args, docket.resolve(item.kind, item.micros, moment, moment), item.every,
      item.max_attempts, item.max_crashes, item.definition
    );
    IF docket.is_too_far(given.visible_at, moment) THEN
      answers[item.n] := coalesce(docket.answered_before(d, item.key, item.id), 'toofar');
      CONTINUE;
    END IF;
    LOOP
      found := docket.try_lock(d, item.key, patience_ms);
      EXIT WHEN found <> 'absent';
      answer := 'added';
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
      -- Only a requeue revives a cancelled periodic task; a declaration does not.
      IF rec.state IN ('queued', 'leased', 'moving') OR (rec.every IS NOT NULL AND item.every IS NOT NULL) THEN
        IF item.definition IS NOT NULL THEN
          SELECT * INTO declared FROM docket.declare(rec, given, moment + item.ttl, moment);
          rec := declared.rec;
          answers[item.n] := declared.answer;
          CONTINUE WHEN declared.answer = 'taken' OR declared.answer LIKE 'exists:%';
          IF declared.answer = 'redefined' THEN
            rec := docket.remember(rec, item.id, declared.answer);
            IF rec.state = 'queued' THEN
              lanes := lanes || (rec.queue || '|' || rec.name);
              visibles := visibles || rec.visible_at;
            END IF;
          END IF;
          PERFORM docket.store(rec, false);
          CONTINUE;
        END IF;
        answer := docket.existing(rec, moment);
        answers[item.n] := answer;
        PERFORM docket.store(docket.remember(rec, item.id, answer), false);
        CONTINUE;
      END IF;
      answer := 'added';
      finished := finished - docket.finished_by(rec);
      dead := dead - docket.dead_by(rec);
      PERFORM docket.replace(rec, given, seqs[item.n], moment, item.id, answer);
    END IF;
    answers[item.n] := answer;
    IF item.definition IS NOT NULL THEN
      UPDATE docket.task t SET
        definition = item.definition, declared_ids = ARRAY[item.definition],
        declared_untils = ARRAY[moment + item.ttl]
      WHERE t.docket = d AND t.key = item.key;
    END IF;
    lanes := lanes || (item.queue || '|' || item.name);
    visibles := visibles || given.visible_at;
  END LOOP;
  PERFORM docket.tally(d, finished, dead);
  PERFORM docket.announce(d, moment, lanes, visibles);
  RETURN answers;
END
$$;
