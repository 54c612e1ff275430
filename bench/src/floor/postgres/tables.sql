CREATE SCHEMA IF NOT EXISTS floor;
CREATE SEQUENCE IF NOT EXISTS floor.fence;
CREATE TABLE IF NOT EXISTS floor.task (
  key text COLLATE "C" PRIMARY KEY,
  state text COLLATE "C" NOT NULL,
  visible_at bigint NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  fence bigint,
  expires_at bigint,
  args bytea NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX IF NOT EXISTS task_queued ON floor.task (visible_at, seq) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS task_leased ON floor.task (visible_at, seq) WHERE state = 'leased';
CREATE INDEX IF NOT EXISTS task_finished ON floor.task (expires_at) WHERE state = 'completed';
-- Whoever is in here wants to be told.
CREATE UNLOGGED TABLE IF NOT EXISTS floor.waiter (until timestamptz NOT NULL);
CREATE OR REPLACE FUNCTION floor.now() RETURNS bigint LANGUAGE sql VOLATILE
  RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
