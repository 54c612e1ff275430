-- What workers of two builds need to share a docket.

-- Since when no build could read the args of a task.
ALTER TABLE docket.task ADD COLUMN undecodable_since bigint;
ALTER TYPE docket.reply ADD ATTRIBUTE undecodable_sinces bigint[];
-- Fences follow the docket's time: see sql/fence.sql.
DROP FUNCTION IF EXISTS docket.pass_fence(bigint);
