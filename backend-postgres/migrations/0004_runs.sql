-- A refused row that a newer schedule of the same key has superseded: it is listed and never waits
-- again.
ALTER TABLE docket.outbox ADD superseded boolean NOT NULL DEFAULT false;

-- The rows of a key that were refused at least once. They are looked up when a newer row of that
-- key has arrived.
CREATE INDEX outbox_refusals ON docket.outbox (docket, key, id) WHERE refusals > 0;

-- The bytes that a finished record counts for (see limits::kept_bytes); null if it does not count.
ALTER TABLE docket.task ADD kept bigint GENERATED ALWAYS AS (
  CASE WHEN state IN ('completed', 'cancelled', 'dead') AND every IS NULL
    AND octet_length(args) + coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0) >= {KEPT_BYTES_MIN}
  THEN octet_length(args) + coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0) END
) STORED;

ALTER TABLE docket.tally ADD finished_bytes bigint NOT NULL DEFAULT 0, ADD dead_bytes bigint NOT NULL DEFAULT 0;

INSERT INTO docket.tally AS c (docket, slot, finished, dead, finished_bytes, dead_bytes)
  SELECT t.docket, 0, 0, 0, coalesce(sum(t.kept) FILTER (WHERE t.state <> 'dead'), 0),
    coalesce(sum(t.kept) FILTER (WHERE t.state = 'dead'), 0)
  FROM docket.task t WHERE t.kept IS NOT NULL GROUP BY t.docket
  ON CONFLICT (docket, slot)
  DO UPDATE SET finished_bytes = excluded.finished_bytes, dead_bytes = excluded.dead_bytes;
