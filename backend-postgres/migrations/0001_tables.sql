-- The tables of one schema. `docket.` stands for the schema that the options name.
--
-- All microseconds are bigint, never float. Keys, names and queues use the "C" collation, so that
-- their order is the same on every server.

-- One piece of work: the part of a record that a schedule replaces.
CREATE TYPE docket.work AS (
  name text, queue text, args bytea, visible_at bigint, every bigint, max_attempts bigint, max_crashes bigint
);

-- A lease request.
-- `names`: null for any name; `any_max` is then the crash limit.
-- `last`: return even if nothing was found.
-- `force`: return even if rows were skipped because another call had locked them.
-- `deputy`: the lanes that this waiter polls as the standby; see sql/announce.sql.
CREATE TYPE docket.ask AS (
  request uuid, worker text, record text, ttl bigint, suspects boolean, earliest boolean, lease bigint, count bigint,
  queues text[], names text[], crashes_maxs bigint[], any_max bigint, last boolean, force boolean, waiter uuid,
  block bigint, deputy text[]
);

-- The reply to a lease request: the leases by column, in order, then the rest of the answer.
CREATE TYPE docket.reply AS (
  keys text[], fences bigint[], names text[], queues text[], args bytea[], attempts bigint[], crashes bigint[],
  deadlines bigint[], leased_ats bigint[], due_ats bigint[], everys bigint[], attempts_maxs bigint[],
  crashes_maxs bigint[], next_visible bigint, oldest_ready bigint, crashed bigint, limited text[], dead_trimmed bigint,
  answered boolean, due bigint, channel text
);

-- Sequences, not rows: they never go back and block nobody. They may skip numbers, which is
-- allowed. All dockets of the schema share them.
CREATE SEQUENCE docket.fence;
CREATE SEQUENCE docket.seq;

-- One row per docket. No change to a task updates it.
CREATE TABLE docket.meta (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  layout bigint,
  environment text,
  -- The clock override of tests.
  clock bigint,
  -- The destination of the current move, or of the latest one.
  moving_to text
);

-- First the columns that stay the same for a life, then, together, those that a lease and its ack
-- change. For an update that stays on its page, Postgres logs only the bytes between the first and
-- the last difference.
CREATE TABLE docket.task (
  docket int NOT NULL,
  -- True once two or more workers died while running it.
  suspect boolean NOT NULL DEFAULT false,
  cancelling boolean NOT NULL DEFAULT false,
  seq bigint NOT NULL,
  added_at bigint NOT NULL,
  -- Its position in the lane; a release restores it.
  due_at bigint NOT NULL,
  every bigint,
  max_attempts bigint,
  max_crashes bigint,
  -- The fence of the death that was requeued last; 0 if that task had no fence.
  requeued bigint,
  attempts bigint NOT NULL DEFAULT 0,
  crashes bigint NOT NULL DEFAULT 0,
  failures bigint NOT NULL DEFAULT 0,
  crashed_in_a_row bigint NOT NULL DEFAULT 0,
  -- The id of the call that exported it to another store: set while it moves, kept after the move.
  parcel uuid,
  key text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  -- The latest calls on this key and their answers.
  call_ids uuid[] NOT NULL,
  call_answers text[] NOT NULL,
  successor docket.work,
  -- Bytes: an error may contain what a text column rejects.
  error bytea,
  args bytea NOT NULL,
  -- The latest lease. Kept after the lease ends, so that one can look up who ran the task.
  request uuid,
  worker text,
  fence bigint,
  leased_at bigint,
  -- The time at which the task can be leased (again). For a finished task: when it finished.
  visible_at bigint NOT NULL,
  -- For a finished task: the time at which it is trimmed.
  expires_at bigint,
  settled_fence bigint,
  settled_request uuid,
  state text COLLATE "C" NOT NULL CHECK (
    state IN ('queued', 'leased', 'moving', 'completed', 'dead', 'cancelled')
  ),
  result bytea,
  PRIMARY KEY (docket, key)
) WITH (
  -- Leaves room for the next version of a row on the same page. Postgres reclaims the old version
  -- without a vacuum.
  fillfactor = 50,
  -- A task leaves about four dead rows in its life. With the default of a fifth of the table,
  -- vacuum would start too late on a large table, and with its default pauses it would be slower
  -- than the work it cleans up after.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);

-- Queued and leased tasks: lane by lane, each in order. A row is in at most one of the two.
CREATE INDEX task_queued ON docket.task (docket, queue, name, suspect, visible_at, seq) WHERE state = 'queued';
CREATE INDEX task_leased ON docket.task (docket, queue, name, suspect, visible_at, seq) WHERE state = 'leased';
-- Tasks on their way to another store.
CREATE INDEX task_moving ON docket.task (docket, visible_at, seq) WHERE state = 'moving';
-- Tasks to trim, oldest first. A finished periodic task is in neither index: it is kept until it is
-- requeued.
CREATE INDEX task_finished ON docket.task (docket, expires_at, seq)
  WHERE state IN ('completed', 'cancelled') AND every IS NULL;
CREATE INDEX task_dead ON docket.task (docket, expires_at, seq) WHERE state = 'dead' AND every IS NULL;

-- Every query names a docket. With many small dockets, the statistics would claim that a docket has
-- few tasks, and the planner would scan all tasks of a large one. So tell it that there is only one.
ALTER TABLE docket.task ALTER docket SET (n_distinct = 1), ALTER docket SET STATISTICS 0;

-- Counters of the finished and dead tasks that are still to be trimmed. Several slots per docket,
-- so that two calls rarely wait for each other. Slots from 16 on are for transactions of the
-- application, which may stay open: each takes a slot that no other transaction has locked.
CREATE TABLE docket.tally (
  docket int NOT NULL,
  slot bigint NOT NULL,
  finished bigint NOT NULL,
  dead bigint NOT NULL,
  PRIMARY KEY (docket, slot)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- The low-water mark of a lane: where a read of the lane starts (see sql/floor.sql). A lane without
-- a row is read from its beginning.
CREATE TABLE docket.floor (
  docket int NOT NULL,
  state text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  visible_at bigint NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (docket, state, queue, name)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- Answered lease requests, each with the keys it leased.
CREATE TABLE docket.request (
  docket int NOT NULL,
  request uuid NOT NULL,
  answered_at bigint NOT NULL,
  keys text[] NOT NULL,
  PRIMARY KEY (docket, request)
) WITH (
  -- The table is filled at one end and emptied at the other: every call that deletes old requests
  -- would read the dead rows there.
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX request_age ON docket.request (docket, answered_at);

CREATE TABLE docket.worker (
  docket int NOT NULL,
  id text COLLATE "C" NOT NULL,
  record text NOT NULL,
  until bigint NOT NULL,
  leased_at bigint,
  PRIMARY KEY (docket, id)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- The waiters: since when and until when each waits (by the server's clock) and for what (null:
-- anything).
-- `woken`: the waiter was notified and has not polled since.
-- Unlogged: after a crash of the server nobody waits.
CREATE UNLOGGED TABLE docket.waiter (
  docket int NOT NULL,
  id uuid NOT NULL,
  until bigint NOT NULL,
  noted bigint NOT NULL,
  queues text[],
  names text[],
  woken boolean NOT NULL DEFAULT false,
  PRIMARY KEY (docket, id)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
