-- Arguments: microseconds from now, keys, args. Answers how many were taken.
WITH moment AS MATERIALIZED (SELECT floor.now() + $1 AS at), added AS (
  INSERT INTO floor.task (key, state, visible_at, args)
  SELECT i.key, 'queued', m.at, i.args FROM moment m, unnest($2::text[], $3::bytea[]) AS i(key, args)
  ON CONFLICT (key) DO NOTHING
  RETURNING 1
), told AS MATERIALIZED (
  SELECT pg_notify('floor', '') FROM (SELECT FROM floor.waiter WHERE until > clock_timestamp() LIMIT 1) w
)
SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM told)
