-- Arguments: microseconds of retention, keys, fences, how many records are trimmed at most. Answers how many were settled.
WITH moment AS MATERIALIZED (SELECT floor.now() AS at), settled AS (
  UPDATE floor.task t SET state = 'completed', visible_at = m.at, expires_at = m.at + $1
  FROM moment m, unnest($2::text[], $3::bigint[]) AS i(key, fence)
  WHERE t.key = i.key AND t.fence = i.fence AND t.state = 'leased'
  RETURNING 1
), old AS MATERIALIZED (
  SELECT t.key FROM floor.task t, moment m WHERE t.state = 'completed' AND t.expires_at <= m.at
  ORDER BY t.expires_at LIMIT $4 FOR UPDATE OF t SKIP LOCKED
), trimmed AS (
  DELETE FROM floor.task t USING old WHERE t.key = old.key
)
SELECT count(*) FROM settled
