-- The tables of one schema. `docket.` stands for the schema that the options name.
--
-- Every number of microseconds is a bigint and never a float. Keys, names and queues compare byte by byte ("C"), so that
-- an order is the same on every server.

-- Work that is to be done: the part of a record that a schedule replaces.
CREATE TYPE docket.work AS (
  name text, queue text, args bytea, visible_at bigint, every bigint, attempts_max bigint, crashes_max bigint
);

-- What a worker asks for. `names` is null when it takes any, and `any_max` is the crash limit then. `last`: an empty
-- answer is an answer; `force`: also when somebody else's call held what might have been taken; `deputy`: the lanes in which
-- the waiter looks for those that were not named, see sql/announce.sql.
CREATE TYPE docket.ask AS (
  request uuid, worker text, record text, ttl bigint, suspects boolean, earliest boolean, lease bigint, count bigint,
  queues text[], names text[], crashes_maxs bigint[], any_max bigint, last boolean, force boolean, waiter uuid,
  block bigint, deputy text[]
);

-- What a look for tasks brings: the leases by column, in order; then what came with them.
CREATE TYPE docket.reply AS (
  keys text[], fences bigint[], names text[], queues text[], args bytea[], attempts bigint[], crashes bigint[],
  deadlines bigint[], leased_ats bigint[], due_ats bigint[], everys bigint[], attempts_maxs bigint[],
  crashes_maxs bigint[], next_visible bigint, oldest_ready bigint, crashed bigint, limited text[], dead_trimmed bigint,
  answered boolean, due bigint, channel text
);

-- Sequences and not rows: they never go back and make nobody wait. They may skip numbers, which is allowed. One of each
-- for all dockets of the schema: what grows for all grows for each.
CREATE SEQUENCE docket.fence;
CREATE SEQUENCE docket.seq;

-- One row per docket; nothing that happens to a task changes it.
CREATE TABLE docket.meta (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  layout bigint,
  environment text,
  -- The clock override of tests.
  clock bigint,
  -- Where its tasks move to, or moved to last.
  moving_to text
);

-- A row has two parts: what stays for a life, and behind it, together, what a lease and its ack change. An update whose new
-- row finds room on the page of the old one logs no more than what lies between the first and the last byte that differ.
CREATE TABLE docket.task (
  docket int NOT NULL,
  -- Whether two or more workers died under it.
  suspect boolean NOT NULL DEFAULT false,
  cancelling boolean NOT NULL DEFAULT false,
  seq bigint NOT NULL,
  added_at bigint NOT NULL,
  -- Its place in the line, to which a release brings it back.
  due_at bigint NOT NULL,
  every bigint,
  attempts_max bigint,
  crashes_max bigint,
  -- The fence of the death requeued last; 0: it never had one.
  requeued bigint,
  attempts bigint NOT NULL DEFAULT 0,
  crashes bigint NOT NULL DEFAULT 0,
  failures bigint NOT NULL DEFAULT 0,
  crashed_in_a_row bigint NOT NULL DEFAULT 0,
  -- The call that took it out for a move to another store: while it moves, and once it was let go.
  parcel uuid,
  key text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  -- The latest calls, and the answer that each got.
  call_ids uuid[] NOT NULL,
  call_answers text[] NOT NULL,
  follower docket.work,
  -- Bytes: an error may hold what no text can.
  error bytea,
  args bytea NOT NULL,
  -- The latest lease. It outlives the lease, for whoever asks who ran it.
  request uuid,
  worker text,
  fence bigint,
  leased_at bigint,
  -- The one number that drives everything; once finished, when it finished.
  visible_at bigint NOT NULL,
  -- Once finished: when it is trimmed.
  expires_at bigint,
  settled_fence bigint,
  settled_request uuid,
  state text COLLATE "C" NOT NULL CHECK (
    state IN ('queued', 'leased', 'moving', 'completed', 'dead', 'cancelled')
  ),
  result bytea,
  PRIMARY KEY (docket, key)
) WITH (
  -- Room for a row's next version: vacuum apart, the page makes room again for the one after that by itself.
  fillfactor = 50,
  -- Each task leaves about four dead rows in its life. The default of a fifth of the table is reached too late in a large
  -- one, and a pause after every few pages makes a vacuum of it slower than the work that it cleans up after.
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);

-- What may be leased, and what is: one lane after another, each in order. A row is in one of these two at most.
CREATE INDEX task_queued ON docket.task (docket, queue, name, suspect, visible_at, seq) WHERE state = 'queued';
CREATE INDEX task_leased ON docket.task (docket, queue, name, suspect, visible_at, seq) WHERE state = 'leased';
-- What is on its way to another store.
CREATE INDEX task_moving ON docket.task (docket, visible_at, seq) WHERE state = 'moving';
-- What is trimmed, oldest first. A finished perpetual is in neither: it is kept until it is requeued.
CREATE INDEX task_finished ON docket.task (docket, expires_at, seq)
  WHERE state IN ('completed', 'cancelled') AND every IS NULL;
CREATE INDEX task_dead ON docket.task (docket, expires_at, seq) WHERE state = 'dead' AND every IS NULL;

-- Every query names a docket. Where there are many small ones, statistics would say that a docket has few tasks, and the
-- planner would read all tasks of a large one. As far as it knows there is one.
ALTER TABLE docket.task ALTER docket SET (n_distinct = 1), ALTER docket SET STATISTICS 0;

-- How many finished tasks are to be trimmed one day: in slots, so that two calls seldom wait for each other. From 16 on
-- they are those of callers' own transactions, which may take their time: each takes one that no other holds.
CREATE TABLE docket.tally (
  docket int NOT NULL,
  slot bigint NOT NULL,
  finished bigint NOT NULL,
  dead bigint NOT NULL,
  PRIMARY KEY (docket, slot)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- From where on a lane is read, see sql/floor.sql; without a row, from its beginning.
CREATE TABLE docket.floor (
  docket int NOT NULL,
  state text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  visible_at bigint NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (docket, state, queue, name)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- Answered lease requests, with what each took.
CREATE TABLE docket.request (
  docket int NOT NULL,
  request uuid NOT NULL,
  answered_at bigint NOT NULL,
  keys text[] NOT NULL,
  PRIMARY KEY (docket, request)
) WITH (
  -- Filled and emptied from one end: dead rows at that end would be read by every call that forgets old ones.
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

-- Who waits since when and until when, by the server's own time, and for what (null: anything). `woken`: it was told of a task, and has
-- not looked since. Not logged: after a crash of the server nobody waits.
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
