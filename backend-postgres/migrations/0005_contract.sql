-- A lease request names its tasks, and an ack only settles.

-- In a new schema the functions that are dropped below do not exist; suppress the notices.
SET LOCAL client_min_messages = warning;

DROP FUNCTION IF EXISTS
  docket.ack(
    text, text[], bigint[], uuid[], text[], text[], bigint[], bytea[], bigint[], bigint[], docket.ask
  ),
  docket.take(int, bigint, bigint, bigint, docket.ask, bigint, bigint, text[], bigint[]);
ALTER TYPE docket.ask DROP ATTRIBUTE IF EXISTS any_max;

UPDATE docket.meta SET layout = 3;
