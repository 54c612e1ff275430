-- Transition: Leased -> Leased, visible_at = now + lease, for each current token.
-- Tables: meta, task, worker.
-- Arguments: worker id, its record, ttl, lease; per token, by column: key, fence, request.
-- Result: one text per token: held, lost, cancelled.
-- Twice: the deadline moves again, as it would with the next heartbeat.
CREATE OR REPLACE FUNCTION docket.heartbeat(
  docket_name text, worker_id text, worker_record text, ttl bigint, lease bigint, keys text[], fences bigint[],
  requests uuid[]
) RETURNS text[] LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  clock bigint;
  moment bigint;
  rec docket.task;
  is_there boolean[];
  answers text[] := '{}';
BEGIN
  SELECT e.id, e.clock INTO d, clock FROM docket.enter(docket_name) e;
  is_there := docket.lock_all(d, keys);
  moment := docket.now_of(clock);
  FOR i IN 1 .. cardinality(keys) LOOP
    rec := NULL;
    IF is_there[i] THEN
      rec := docket.lock(d, keys[i]);
    END IF;
    IF rec.state = 'leased' AND rec.fence = fences[i] AND rec.request = requests[i] THEN
      UPDATE docket.task t SET visible_at = moment + lease WHERE t.docket = d AND t.key = keys[i];
      answers := answers || CASE WHEN rec.cancelling THEN 'cancelled' ELSE 'held' END;
    ELSE
      answers := answers || 'lost'::text;
    END IF;
  END LOOP;
  PERFORM docket.write_worker(d, moment, worker_id, worker_record, ttl, false);
  RETURN answers;
END
$$;
