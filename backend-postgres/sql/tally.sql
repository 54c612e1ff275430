-- Transition: none. How many finished and dead tasks there are that will be trimmed.
-- Tables: tally.
-- A slot is locked until the commit, and a caller's own transaction may take its time: those have slots of their own.
-- finished_by, dead_by: what one record adds to each. tally: notes a difference.
-- Twice: it would be counted twice; so it is called only by what changes records, in the same transaction.
CREATE OR REPLACE FUNCTION docket.finished_by(rec docket.task) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT (rec.state IN ('completed', 'cancelled') AND rec.every IS NULL)::int
$$;

CREATE OR REPLACE FUNCTION docket.dead_by(rec docket.task) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT (rec.state = 'dead' AND rec.every IS NULL)::int
$$;

CREATE OR REPLACE FUNCTION docket.tally(d int, more_finished bigint, more_dead bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF more_finished <> 0 OR more_dead <> 0 THEN
    INSERT INTO docket.tally AS t (docket, slot, finished, dead)
      VALUES (
        d, pg_backend_pid() % 16 + CASE WHEN docket.in_callers_transaction() THEN 16 ELSE 0 END, more_finished, more_dead
      )
      ON CONFLICT ON CONSTRAINT tally_pkey
      DO UPDATE SET finished = t.finished + excluded.finished, dead = t.dead + excluded.dead;
  END IF;
END
$$;
