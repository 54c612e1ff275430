-- The outbox: tasks added in transactions of a service whose docket lives in another store, until a
-- worker relays them. Rows hold the docket's name, since the docket is not in this schema.
CREATE TABLE docket.outbox (
  -- For one key, ids follow the order of the commits; see outbox_add.sql.
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  docket text COLLATE "C" NOT NULL,
  verb text COLLATE "C" NOT NULL CHECK (verb IN ('add', 'schedule')),
  add_id uuid NOT NULL,
  key text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  args bytea NOT NULL,
  -- now; in: `due` is a time of this server's clock; at: a time of the clock of the docket's store.
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('now', 'in', 'at')),
  due bigint NOT NULL,
  every bigint,
  max_attempts bigint,
  max_crashes bigint,
  inserted_at bigint NOT NULL,
  -- How often the store refused it, the latest error, and since when it is refused for good.
  refusals bigint NOT NULL DEFAULT 0,
  error text,
  refused_at bigint
) WITH (
  -- The table is emptied at one end: every poll would read the dead rows there.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX outbox_waiting ON docket.outbox (docket, id) WHERE refused_at IS NULL;
CREATE INDEX outbox_refused ON docket.outbox (docket, id) WHERE refused_at IS NOT NULL;

-- Tell the planner that there is one docket; see the tasks.
ALTER TABLE docket.outbox ALTER docket SET (n_distinct = 1), ALTER docket SET STATISTICS 0;
