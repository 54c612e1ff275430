-- Argument: microseconds that the caller is about to wait. Answers microseconds until the next is visible.
WITH waiting AS (
  INSERT INTO floor.waiter VALUES (clock_timestamp() + $1 * interval '1 microsecond')
), gone AS (
  DELETE FROM floor.waiter WHERE until < clock_timestamp()
)
SELECT least(
  (SELECT min(visible_at) FROM floor.task WHERE state = 'queued'),
  (SELECT min(visible_at) FROM floor.task WHERE state = 'leased')
) - floor.now()
