-- Transition: none. Writes a worker's record; a ttl of zero deletes it. Expired records are deleted
-- along with it.
-- Tables: worker.
-- Arguments: worker id, its record, how long that stays, whether this is a lease call (its sign of
-- life).
-- Repeated: the record stays a little longer.
-- Order matters: in every function after the locks on tasks, so that two calls of one worker cannot
-- deadlock.
CREATE OR REPLACE FUNCTION docket.write_worker(
  d int, moment bigint, worker_id text, worker_record text, ttl bigint, leasing boolean
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM docket.worker w WHERE w.ctid = ANY (ARRAY(
    SELECT gone.ctid FROM docket.worker gone
    WHERE gone.docket = d AND gone.until <= moment AND gone.id <> worker_id
    LIMIT {TRIM_ITEMS_MAX} FOR UPDATE SKIP LOCKED
  ));
  IF ttl <= 0 THEN
    DELETE FROM docket.worker w WHERE w.docket = d AND w.id = worker_id;
    RETURN;
  END IF;
  INSERT INTO docket.worker AS w (docket, id, record, until, leased_at)
    VALUES (d, worker_id, worker_record, moment + ttl, CASE WHEN leasing THEN moment END)
    ON CONFLICT ON CONSTRAINT worker_pkey DO UPDATE SET
      record = excluded.record,
      until = excluded.until,
      leased_at = CASE
        WHEN leasing THEN moment
        -- An expired record counts as another worker.
        WHEN w.until > moment THEN w.leased_at
      END;
END
$$;
