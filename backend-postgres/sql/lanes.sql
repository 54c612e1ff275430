-- Transition: none. The lanes that a request may look into, with the rank of their queue.
-- Tables: task.
-- Arguments: queues in order of precedence, or null for all; names, or null for any.
-- Result: few lanes as they were asked for, be they empty; of many, those in which something is unfinished, found by
-- skipping from one to the next in the index.
CREATE OR REPLACE FUNCTION docket.lanes(d int, asked_queues text[], asked_names text[])
RETURNS TABLE (queue text, name text, rank int) LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF cardinality(asked_queues) * cardinality(asked_names) <= 64 THEN
    RETURN QUERY
      SELECT q.queue, n.name, min(q.rank)::int
      FROM unnest(asked_queues) WITH ORDINALITY AS q(queue, rank), unnest(asked_names) AS n(name)
      GROUP BY q.queue, n.name;
    RETURN;
  END IF;
  RETURN QUERY
    WITH RECURSIVE queued AS (
      (SELECT t.queue, t.name FROM docket.task t
        WHERE t.docket = d AND t.state = 'queued' ORDER BY t.queue, t.name LIMIT 1)
      UNION ALL
      SELECT n.queue, n.name FROM queued l CROSS JOIN LATERAL (
        SELECT t.queue, t.name FROM docket.task t
        WHERE t.docket = d AND t.state = 'queued' AND (t.queue, t.name) > (l.queue, l.name)
        ORDER BY t.queue, t.name LIMIT 1
      ) n
    ), leased AS (
      (SELECT t.queue, t.name FROM docket.task t
        WHERE t.docket = d AND t.state = 'leased' ORDER BY t.queue, t.name LIMIT 1)
      UNION ALL
      SELECT n.queue, n.name FROM leased l CROSS JOIN LATERAL (
        SELECT t.queue, t.name FROM docket.task t
        WHERE t.docket = d AND t.state = 'leased' AND (t.queue, t.name) > (l.queue, l.name)
        ORDER BY t.queue, t.name LIMIT 1
      ) n
    ), found AS (SELECT * FROM queued UNION SELECT * FROM leased)
    SELECT f.queue, f.name, array_position(asked_queues, f.queue) FROM found f
    WHERE (asked_queues IS NULL OR f.queue = ANY (asked_queues)) AND (asked_names IS NULL OR f.name = ANY (asked_names));
END
$$;
