-- Transition: none. The lanes that a request reads, with the rank of their queue.
-- Tables: task.
-- Arguments: queues in order of precedence, and names; both null for all lanes, as for a move.
-- Result: a few lanes are returned as asked, even if empty. Of many, only the lanes with a due
-- task, found by skipping from lane to lane in the index, so that the cost depends on the due lanes
-- and not on all lanes of the worker. Then the time of the first task that is not due yet, suspects
-- separately (null: none).
CREATE OR REPLACE FUNCTION docket.lanes(
  d int, asked_queues text[], asked_names text[], moment bigint,
  OUT queues text[], OUT names text[], OUT ranks int[], OUT later bigint, OUT later_suspect bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
  -- jsonb, for a lookup per lane: searching an array of a thousand for each lane would cost more
  -- than the index.
  ranked jsonb;
  named jsonb;
BEGIN
  IF cardinality(asked_queues) * cardinality(asked_names) <= {LANES_MAX} THEN
    SELECT array_agg(l.queue), array_agg(l.name), array_agg(l.rank) INTO queues, names, ranks FROM (
      SELECT q.queue, n.name, min(q.rank)::int AS rank
      FROM unnest(asked_queues) WITH ORDINALITY AS q(queue, rank), unnest(asked_names) AS n(name)
      GROUP BY q.queue, n.name
    ) l;
    RETURN;
  END IF;
  ranked := (SELECT jsonb_object_agg(q.queue, q.rank) FROM (
    SELECT u.queue, min(u.rank) AS rank FROM unnest(asked_queues) WITH ORDINALITY AS u(queue, rank) GROUP BY u.queue
  ) q);
  named := (SELECT jsonb_object_agg(n.name, 0) FROM unnest(asked_names) AS n(name));
  WITH RECURSIVE queued AS (
    (SELECT t.queue, t.name, t.suspect, t.visible_at FROM docket.task t
      WHERE t.docket = d AND t.state = 'queued' ORDER BY t.queue, t.name, t.suspect, t.visible_at, t.seq LIMIT 1)
    UNION ALL
    SELECT n.* FROM queued l CROSS JOIN LATERAL (
      SELECT t.queue, t.name, t.suspect, t.visible_at FROM docket.task t
      WHERE t.docket = d AND t.state = 'queued' AND (t.queue, t.name, t.suspect) > (l.queue, l.name, l.suspect)
      ORDER BY t.queue, t.name, t.suspect, t.visible_at, t.seq LIMIT 1
    ) n
  ), leased AS (
    (SELECT t.queue, t.name, t.suspect, t.visible_at FROM docket.task t
      WHERE t.docket = d AND t.state = 'leased' ORDER BY t.queue, t.name, t.suspect, t.visible_at, t.seq LIMIT 1)
    UNION ALL
    SELECT n.* FROM leased l CROSS JOIN LATERAL (
      SELECT t.queue, t.name, t.suspect, t.visible_at FROM docket.task t
      WHERE t.docket = d AND t.state = 'leased' AND (t.queue, t.name, t.suspect) > (l.queue, l.name, l.suspect)
      ORDER BY t.queue, t.name, t.suspect, t.visible_at, t.seq LIMIT 1
    ) n
  ), found AS (
    SELECT f.*, (ranked ->> f.queue)::int AS rank FROM (SELECT * FROM queued UNION ALL SELECT * FROM leased) f
    WHERE (asked_queues IS NULL OR ranked ? f.queue) AND (asked_names IS NULL OR named ? f.name)
  ), lane AS (
    SELECT f.queue, f.name, f.rank, bool_or(f.visible_at <= moment) AS is_due,
      min(f.visible_at) FILTER (WHERE f.visible_at > moment AND NOT f.suspect) AS later,
      min(f.visible_at) FILTER (WHERE f.visible_at > moment AND f.suspect) AS later_suspect
    FROM found f GROUP BY f.queue, f.name, f.rank
  )
  SELECT array_agg(l.queue) FILTER (WHERE l.is_due), array_agg(l.name) FILTER (WHERE l.is_due),
    array_agg(l.rank) FILTER (WHERE l.is_due), min(l.later), min(l.later_suspect)
  INTO queues, names, ranks, later, later_suspect FROM lane l;
END
$$;
