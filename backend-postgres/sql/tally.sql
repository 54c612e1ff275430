-- Transition: none. How many finished and dead tasks there are that will be trimmed.
-- Tables: tally.
-- A slot is locked until the commit, and a caller's own transaction may take its time: it takes one that nobody holds, or
-- makes one.
-- finished_by, dead_by: what one record adds to each. tally: notes a difference.
-- Twice: it would be counted twice; so it is called only by what changes records, in the same transaction.
CREATE OR REPLACE FUNCTION docket.finished_by(rec docket.task) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT (rec.state IN ('completed', 'cancelled') AND rec.every IS NULL)::int
$$;

CREATE OR REPLACE FUNCTION docket.dead_by(rec docket.task) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT (rec.state = 'dead' AND rec.every IS NULL)::int
$$;

CREATE OR REPLACE FUNCTION docket.tally(d int, more_finished bigint, more_dead bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  own_slot bigint := pg_backend_pid() % 16;
BEGIN
  IF more_finished = 0 AND more_dead = 0 THEN
    RETURN;
  END IF;
  IF docket.in_callers_transaction() THEN
    SELECT t.slot INTO own_slot FROM docket.tally t WHERE t.docket = d AND t.slot >= 16
      ORDER BY t.slot LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
      own_slot := 16 + pg_current_xact_id()::text::bigint;
    END IF;
  END IF;
  INSERT INTO docket.tally AS t (docket, slot, finished, dead) VALUES (d, own_slot, more_finished, more_dead)
    ON CONFLICT ON CONSTRAINT tally_pkey
    DO UPDATE SET finished = t.finished + excluded.finished, dead = t.dead + excluded.dead;
END
$$;
