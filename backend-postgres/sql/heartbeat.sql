-- Transition: Leased -> Leased, visible_at = now + lease, for each current token.
-- Tables: meta, task, worker, floor.
-- Arguments: worker id, its record, ttl, lease; per token, by column: key, fence, request.
-- Result: one text per token: held, lost, cancelled, busy.
-- Repeated: the deadline moves again, as with the next heartbeat.
CREATE OR REPLACE FUNCTION docket.heartbeat(
  docket_name text, worker_id text, worker_record text, ttl bigint, lease bigint, keys text[], fences bigint[],
  requests uuid[]
) RETURNS text[] LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  clock bigint;
  ahead bigint;
  seen bigint;
  moment bigint;
  rec docket.task;
  locks text[];
  answers text[] := '{}';
BEGIN
  SELECT e.id, e.clock, e.ahead, e.seen INTO d, clock, ahead, seen FROM docket.enter(docket_name) e;
  locks := docket.lock_all(d, keys);
  moment := docket.now_of(clock, ahead);
  FOR i IN 1 .. cardinality(keys) LOOP
    rec := NULL;
    IF locks[i] = 'ours' THEN
      rec := docket.lock(d, keys[i]);
    ELSIF locks[i] = 'busy' THEN
      -- The row is locked by another transaction. A token that is not current now never becomes
      -- current again, so no lock is needed to answer stale or lost.
      SELECT * INTO rec FROM docket.task t WHERE t.docket = d AND t.key = keys[i];
    END IF;
    IF rec.state = 'leased' AND rec.fence = fences[i] AND rec.request = requests[i] THEN
      IF locks[i] = 'busy' THEN
        answers := answers || 'busy'::text;
        CONTINUE;
      END IF;
      UPDATE docket.task t SET visible_at = moment + lease WHERE t.docket = d AND t.key = keys[i];
      answers := answers || CASE WHEN rec.cancelling THEN 'cancelled' ELSE 'held' END;
    ELSE
      answers := answers || 'lost'::text;
    END IF;
  END LOOP;
  PERFORM docket.note_time(d, clock, seen, moment);
  PERFORM docket.write_worker(d, moment, worker_id, worker_record, ttl, false);
  IF 'held' = ANY (answers) OR 'cancelled' = ANY (answers) THEN
    PERFORM docket.lower_leased(d, moment + lease);
  END IF;
  RETURN answers;
END
$$;
