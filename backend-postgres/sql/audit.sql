-- Transition: none. Looks for contradictions.
-- Tables: meta, task, tally, floor.
-- Result: a line per defect. Postgres keeps its indexes consistent with the records; what is left
-- to check are our counters and derived columns.
CREATE OR REPLACE FUNCTION docket.audit(docket_name text) RETURNS SETOF text LANGUAGE plpgsql STABLE {ENTRY} AS $$
DECLARE
  d int;
BEGIN
  SELECT m.id INTO d FROM docket.meta m WHERE m.name = docket_name;
  RETURN QUERY
    SELECT format('the record %s (%s) %s', t.key, t.state, c.wrong)
    FROM docket.task t CROSS JOIN LATERAL (VALUES
      (t.suspect <> (t.crashes >= {SUSPECT_CRASHES}), 'stands in the wrong line'),
      (t.state = 'leased' AND (t.fence IS NULL OR t.request IS NULL OR t.leased_at IS NULL), 'is leased by nobody'),
      (t.state <> 'leased' AND t.cancelling, 'waits for a run to notice a cancel, and has no run'),
      (t.state <> 'leased' AND (t.successor).name IS NOT NULL, 'has a successor, and nothing to follow'),
      (t.state = 'moving' AND t.parcel IS NULL, 'moves, and no call took it out'),
      (t.state NOT IN ('queued', 'leased', 'moving') AND t.expires_at IS NULL, 'does not know how long it is kept'),
      (cardinality(t.call_ids) <> cardinality(t.call_answers), 'does not know its calls')
    ) AS c(holds, wrong)
    WHERE t.docket = d AND c.holds
    ORDER BY t.key;
  RETURN QUERY
    SELECT format('%s finished and %s dead tasks are counted as %s and %s', r.finished, r.dead, c.finished, c.dead)
    FROM (
      SELECT count(*) FILTER (WHERE t.state IN ('completed', 'cancelled')) AS finished,
        count(*) FILTER (WHERE t.state = 'dead') AS dead
      FROM docket.task t WHERE t.docket = d AND t.every IS NULL
    ) r, (
      SELECT coalesce(sum(t.finished), 0) AS finished, coalesce(sum(t.dead), 0) AS dead
      FROM docket.tally t WHERE t.docket = d
    ) c
    WHERE (r.finished, r.dead) <> (c.finished, c.dead);
  RETURN QUERY
    SELECT format('%s bytes of finished and %s of dead tasks are counted as %s and %s', r.finished, r.dead, c.finished, c.dead)
    FROM (
      SELECT coalesce(sum(t.kept) FILTER (WHERE t.state <> 'dead'), 0) AS finished,
        coalesce(sum(t.kept) FILTER (WHERE t.state = 'dead'), 0) AS dead
      FROM docket.task t WHERE t.docket = d
    ) r, (
      SELECT coalesce(sum(t.finished_bytes), 0) AS finished, coalesce(sum(t.dead_bytes), 0) AS dead
      FROM docket.tally t WHERE t.docket = d
    ) c
    WHERE (r.finished, r.dead) <> (c.finished, c.dead);
  RETURN QUERY
    SELECT format('the record %s (%s) is below the floor of its lane', t.key, t.state)
    FROM docket.floor f JOIN docket.task t
      ON t.docket = f.docket AND t.state = f.state AND t.queue = f.queue AND t.name = f.name
    WHERE f.docket = d AND NOT t.suspect AND (t.visible_at, t.seq) < (f.visible_at, f.seq)
    ORDER BY t.key;
END
$$;
