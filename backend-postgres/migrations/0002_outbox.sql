-- The outbox: tasks that were added in transactions of a service whose docket lives elsewhere, until a worker has brought
-- them there. By the name of the docket, since it is none of this schema's.
CREATE TABLE docket.outbox (
  -- The order of one key is the order of its commits: see outbox_add.sql.
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  docket text COLLATE "C" NOT NULL,
  verb text COLLATE "C" NOT NULL CHECK (verb IN ('add', 'schedule')),
  add_id uuid NOT NULL,
  key text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  args bytea NOT NULL,
  -- now; in: due is a moment of this server's clock; at: of the clock of the docket's store.
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('now', 'in', 'at')),
  due bigint NOT NULL,
  every bigint,
  attempts_max bigint,
  crashes_max bigint,
  inserted_at bigint NOT NULL,
  -- Answers that were an error, the latest of them, and since when it is one for good.
  refusals bigint NOT NULL DEFAULT 0,
  error text,
  refused_at bigint
) WITH (
  -- Emptied from one end: dead rows at that end would be read by every look.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX outbox_waiting ON docket.outbox (docket, id) WHERE refused_at IS NULL;
CREATE INDEX outbox_refused ON docket.outbox (docket, id) WHERE refused_at IS NOT NULL;

-- As far as the planner knows there is one docket: see the tasks.
ALTER TABLE docket.outbox ALTER docket SET (n_distinct = 1), ALTER docket SET STATISTICS 0;
