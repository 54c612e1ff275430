-- Transition: Leased -> what the outcome says, for each current token; then, if asked, one lease call.
-- Tables: meta, task, request, worker, tally, waiter.
-- Arguments: per ack, by column: key, fence, request, outcome, kind of time, its microseconds, the text (result, error or
-- args; may be null), attempts_max, retention; then a lease request, or null.
-- Result: one text per ack: settled, stale, busy; dead trimmed; the lease reply or null.
-- Twice: a record knows the token settled last and answers settled again; the lease request is idempotent by its own id.
CREATE OR REPLACE FUNCTION docket.ack(
  docket_name text, keys text[], fences bigint[], requests uuid[], outcomes text[], kinds text[], times bigint[],
  contents bytea[], attempts_maxs bigint[], retentions bigint[], ask docket.ask,
  OUT answers text[], OUT dead_trimmed bigint, OUT reply docket.reply
) LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  clock bigint;
  moment bigint;
  rec docket.task;
  locks text[];
  trimmed record;
  lanes text[] := '{}';
  visibles bigint[] := '{}';
  finished bigint := 0;
  dead bigint := 0;
BEGIN
  SELECT e.id, e.clock INTO d, clock FROM docket.enter(docket_name) e;
  locks := docket.lock_all(d, keys);
  moment := docket.now_of(clock);
  answers := '{}';
  FOR i IN 1 .. cardinality(keys) LOOP
    rec := NULL;
    IF locks[i] = 'ours' THEN
      rec := docket.lock(d, keys[i]);
    ELSIF locks[i] = 'busy' THEN
      -- Whatever becomes of it, a token that is not current will not be again.
      SELECT * INTO rec FROM docket.task t WHERE t.docket = d AND t.key = keys[i];
    END IF;
    IF rec.state = 'leased' AND rec.fence = fences[i] AND rec.request = requests[i] THEN
      IF locks[i] = 'busy' THEN
        answers := answers || 'busy'::text;
        CONTINUE;
      END IF;
      rec := docket.settle(
        rec, moment, outcomes[i], kinds[i], times[i], contents[i], attempts_maxs[i], retentions[i]
      );
      PERFORM docket.store(rec, outcomes[i] = 'completed');
      finished := finished + docket.finished_by(rec);
      dead := dead + docket.dead_by(rec);
      IF rec.state = 'queued' THEN
        lanes := lanes || (rec.queue || '|' || rec.name);
        visibles := visibles || rec.visible_at;
      END IF;
      answers := answers || 'settled'::text;
    ELSIF rec.settled_fence = fences[i] AND rec.settled_request = requests[i] THEN
      answers := answers || 'settled'::text;
    ELSE
      answers := answers || 'stale'::text;
    END IF;
  END LOOP;
  SELECT * INTO trimmed FROM docket.trim(d, moment, cardinality(keys), finished, dead);
  finished := finished - trimmed.finished;
  dead := dead - trimmed.dead;
  dead_trimmed := trimmed.dead;
  IF ask.request IS NOT NULL THEN
    reply := docket.take(d, clock, moment, ask, finished, dead, lanes, visibles);
  ELSE
    PERFORM docket.tally(d, finished, dead);
    PERFORM docket.announce(d, moment, lanes, visibles);
  END IF;
END
$$;
