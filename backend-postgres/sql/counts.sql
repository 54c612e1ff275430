-- Transition: none. Counts tasks by lane.
-- Tables: meta, task.
-- Result: per lane: scheduled, ready, running, moving, completed, dead, cancelled, microseconds
-- since its oldest ready task became ready.
CREATE OR REPLACE FUNCTION docket.counts(docket_name text)
RETURNS TABLE (
  queue text, name text, scheduled bigint, ready bigint, running bigint, moving bigint, completed bigint, dead bigint,
  cancelled bigint, oldest_ready bigint
) LANGUAGE plpgsql STABLE {ENTRY} AS $$
DECLARE
  entered record;
BEGIN
  SELECT m.id, docket.now_of(m.clock, docket.ahead_of(m)) AS moment INTO entered FROM docket.meta m WHERE m.name = docket_name;
  RETURN QUERY
    SELECT t.queue, t.name,
      count(*) FILTER (WHERE t.shown = 'scheduled'), count(*) FILTER (WHERE t.shown = 'ready'),
      count(*) FILTER (WHERE t.shown = 'running'), count(*) FILTER (WHERE t.shown = 'moving'),
      count(*) FILTER (WHERE t.shown = 'completed'),
      count(*) FILTER (WHERE t.shown = 'dead'), count(*) FILTER (WHERE t.shown = 'cancelled'),
      entered.moment - min(t.visible_at) FILTER (WHERE t.shown = 'ready')
    FROM (
      SELECT s.queue, s.name, s.visible_at, docket.shown(s.state, s.visible_at, entered.moment) AS shown
      FROM docket.task s WHERE s.docket = entered.id
    ) t
    GROUP BY t.queue, t.name ORDER BY t.queue, t.name;
END
$$;
