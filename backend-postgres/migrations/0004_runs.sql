-- A refused row that a newer schedule of its key has overtaken: it is shown, and never waits again.
ALTER TABLE docket.outbox ADD superseded boolean NOT NULL DEFAULT false;

-- The rows of one key that were refused, be it for a while: they are looked for when a newer one has arrived.
CREATE INDEX outbox_refusals ON docket.outbox (docket, key, id) WHERE refusals > 0;
