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
  answers text[];
BEGIN
  SELECT e.id, e.clock INTO d, clock FROM docket.enter(docket_name) e;
  PERFORM FROM docket.task t WHERE t.docket = d AND t.key = ANY (keys) ORDER BY t.key FOR UPDATE;
  moment := docket.now_of(clock);
  answers := ARRAY(
    SELECT CASE WHEN t.key IS NULL THEN 'lost' WHEN t.cancelling THEN 'cancelled' ELSE 'held' END
    FROM unnest(keys, fences, requests) WITH ORDINALITY AS b(key, fence, request, n)
    LEFT JOIN docket.task t
      ON t.docket = d AND t.key = b.key AND t.state = 'leased' AND t.fence = b.fence AND t.request = b.request
    ORDER BY b.n
  );
  UPDATE docket.task t SET visible_at = moment + lease
  FROM (SELECT DISTINCT u.key, u.fence, u.request FROM unnest(keys, fences, requests) AS u(key, fence, request)) b
  WHERE t.docket = d AND t.key = b.key AND t.state = 'leased' AND t.fence = b.fence AND t.request = b.request;
  PERFORM docket.write_worker(d, moment, worker_id, worker_record, ttl, false);
  RETURN answers;
END
$$;
