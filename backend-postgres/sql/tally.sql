-- Transition: none. Counters of the finished and dead tasks that are still to be trimmed.
-- Tables: tally.
-- A slot stays locked until the commit, and a transaction of the application may stay open: it
-- takes a slot that nobody has locked, or creates one.
-- finished_by, dead_by: what one record adds to each. tally: adds a difference. tally_bytes: the
-- same for the bytes they keep.
-- Repeated: it would be counted twice; so only a call that changes records calls it, in the same
-- transaction.
CREATE OR REPLACE FUNCTION docket.finished_by(rec docket.task) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT (rec.state IN ('completed', 'cancelled') AND rec.every IS NULL)::int
$$;

CREATE OR REPLACE FUNCTION docket.dead_by(rec docket.task) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT (rec.state = 'dead' AND rec.every IS NULL)::int
$$;

CREATE OR REPLACE FUNCTION docket.tally_slot(d int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  own_slot bigint := pg_backend_pid() % 16;
BEGIN
  IF docket.in_callers_transaction() THEN
    SELECT t.slot INTO own_slot FROM docket.tally t WHERE t.docket = d AND t.slot >= 16
      ORDER BY t.slot LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
      own_slot := 16 + pg_current_xact_id()::text::bigint;
    END IF;
  END IF;
  RETURN own_slot;
END
$$;

CREATE OR REPLACE FUNCTION docket.tally(d int, more_finished bigint, more_dead bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF more_finished = 0 AND more_dead = 0 THEN
    RETURN;
  END IF;
  INSERT INTO docket.tally AS t (docket, slot, finished, dead) VALUES (d, docket.tally_slot(d), more_finished, more_dead)
    ON CONFLICT ON CONSTRAINT tally_pkey
    DO UPDATE SET finished = t.finished + excluded.finished, dead = t.dead + excluded.dead;
END
$$;

-- A trigger counts the bytes of each record that keeps any. Most tasks keep too few to count, and
-- no call has to ask.
CREATE OR REPLACE FUNCTION docket.tally_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  d int;
  more_finished bigint := 0;
  more_dead bigint := 0;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    d := old.docket;
    IF old.state = 'dead' THEN
      more_dead := -coalesce(old.kept, 0);
    ELSE
      more_finished := -coalesce(old.kept, 0);
    END IF;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    d := new.docket;
    IF new.state = 'dead' THEN
      more_dead := more_dead + coalesce(new.kept, 0);
    ELSE
      more_finished := more_finished + coalesce(new.kept, 0);
    END IF;
  END IF;
  IF more_finished <> 0 OR more_dead <> 0 THEN
    INSERT INTO docket.tally AS t (docket, slot, finished, dead, finished_bytes, dead_bytes)
      VALUES (d, docket.tally_slot(d), 0, 0, more_finished, more_dead)
      ON CONFLICT ON CONSTRAINT tally_pkey DO UPDATE SET
        finished_bytes = t.finished_bytes + excluded.finished_bytes, dead_bytes = t.dead_bytes + excluded.dead_bytes;
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER tally_update AFTER UPDATE ON docket.task FOR EACH ROW
  WHEN (old.kept IS NOT NULL OR new.kept IS NOT NULL) EXECUTE FUNCTION docket.tally_bytes();
CREATE OR REPLACE TRIGGER tally_delete AFTER DELETE ON docket.task FOR EACH ROW
  WHEN (old.kept IS NOT NULL) EXECUTE FUNCTION docket.tally_bytes();
CREATE OR REPLACE TRIGGER tally_insert AFTER INSERT ON docket.task FOR EACH ROW
  WHEN (new.kept IS NOT NULL) EXECUTE FUNCTION docket.tally_bytes();
