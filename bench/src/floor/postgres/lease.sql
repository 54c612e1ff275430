-- Arguments: how many, microseconds of the lease. Answers key, fence and args of each.
WITH moment AS MATERIALIZED (SELECT floor.now() AS at), late AS MATERIALIZED (
  SELECT t.key FROM floor.task t, moment m WHERE t.state = 'leased' AND t.visible_at <= m.at
  ORDER BY t.visible_at, t.seq LIMIT $1 FOR UPDATE OF t SKIP LOCKED
), due AS MATERIALIZED (
  SELECT t.key FROM floor.task t, moment m WHERE t.state = 'queued' AND t.visible_at <= m.at
  ORDER BY t.visible_at, t.seq LIMIT $1 FOR UPDATE OF t SKIP LOCKED
), chosen AS (
  SELECT key FROM late UNION ALL SELECT key FROM due LIMIT $1
)
UPDATE floor.task t SET state = 'leased', fence = nextval('floor.fence'), visible_at = m.at + $2
FROM chosen c, moment m WHERE t.key = c.key
RETURNING t.key, t.fence, t.args
