-- Transition: none. Reads the workers that have not expired.
-- Tables: meta, worker.
-- Result: per worker: its record, microseconds since its last lease call (null: none).
CREATE OR REPLACE FUNCTION docket.workers(docket_name text)
RETURNS TABLE (record text, leased_ago bigint) LANGUAGE sql STABLE {ENTRY} AS $$
  SELECT w.record, CASE WHEN w.leased_at IS NOT NULL THEN greatest(m.moment - w.leased_at, 0) END
  FROM (SELECT s.id, docket.now_of(s.clock, docket.ahead_of(s)) AS moment FROM docket.meta s WHERE s.name = docket_name) m
  JOIN docket.worker w ON w.docket = m.id AND w.until > m.moment
  ORDER BY w.until, w.id
$$;
