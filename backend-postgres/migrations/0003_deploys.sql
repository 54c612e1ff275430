-- What two builds need to share one docket: definitions, the time, the layout.

-- In a new schema the functions that are dropped below do not exist; suppress the notices.
SET LOCAL client_min_messages = warning;

-- Since when no build has been able to decode the args.
ALTER TABLE docket.task ADD COLUMN undecodable_since bigint;
ALTER TYPE docket.reply ADD ATTRIBUTE undecodable_sinces bigint[];
-- Fences follow the docket's time: see sql/fence.sql.
DROP FUNCTION IF EXISTS docket.pass_fence(bigint);

-- The definition in force, and the definitions that workers declare: in the order in which they
-- were first seen, each with the time its declaration ends. A successor with a definition is the
-- same task, to be redefined after its run.
ALTER TABLE docket.task
  ADD COLUMN definition uuid, ADD COLUMN declared_ids uuid[], ADD COLUMN declared_untils bigint[];
ALTER TYPE docket.work ADD ATTRIBUTE definition uuid;
DROP FUNCTION IF EXISTS docket.add(
  text, text[], uuid[], text[], text[], bytea[], text[], bigint[], bigint[], bigint[], bigint[]
);

-- The docket's time: see sql/time.sql.
ALTER TABLE docket.meta
  ADD COLUMN ahead bigint NOT NULL DEFAULT 0,
  ADD COLUMN seen bigint NOT NULL DEFAULT 0,
  ADD COLUMN settled bigint NOT NULL DEFAULT 0,
  ADD COLUMN steps bigint NOT NULL DEFAULT 0;
ALTER TABLE docket.meta SET (fillfactor = 30, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
ALTER TYPE docket.reply ADD ATTRIBUTE ahead bigint, ADD ATTRIBUTE clock_offset bigint, ADD ATTRIBUTE clock_steps bigint;
DROP FUNCTION IF EXISTS docket.now_of(bigint), docket.enter(text), docket.view(int, bigint, text[]),
  docket.page(text, text, bigint, bigint, bigint, text, text, text), docket.parcels(int, text[]),
  docket.tell_seen(int, bigint, text[], bigint, bigint),
  docket.take(int, bigint, bigint, docket.ask, bigint, bigint, text[], bigint[]);

-- Every docket has a layout from its first call on; every call that writes compares it.
UPDATE docket.meta SET layout = 2;
ALTER TABLE docket.meta ALTER layout SET NOT NULL;
