-- Transition: none. Records how the docket's store answered the relayed rows.
-- Tables: outbox.
-- Arguments: the rows that it accepted; then, by column, the rows that it refused: the row, the
-- error, and whether the refusal is final. A row refused for good is kept and no longer waits. A
-- schedule that has arrived supersedes earlier refused rows of its key, even those that were set to
-- wait again meanwhile: the last one counts.
-- Repeated: no further change.
CREATE OR REPLACE FUNCTION docket.outbox_settle(done bigint[], failed bigint[], errors text[], for_good boolean[])
RETURNS void LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  row_id bigint;
  gone docket.outbox;
  item record;
BEGIN
  FOREACH row_id IN ARRAY done LOOP
    gone := NULL;
    DELETE FROM docket.outbox o WHERE o.id = row_id RETURNING o.* INTO gone;
    IF gone.verb = 'schedule' THEN
      UPDATE docket.outbox o SET superseded = true, refused_at = coalesce(o.refused_at, docket.server_now())
        WHERE o.docket = gone.docket AND o.key = gone.key AND o.id < gone.id AND o.refusals > 0;
    END IF;
  END LOOP;
  FOR item IN SELECT * FROM unnest(failed, errors, for_good) AS i(id, error, for_good) LOOP
    UPDATE docket.outbox o SET
      refusals = o.refusals + 1,
      error = item.error,
      refused_at = CASE WHEN item.for_good THEN docket.server_now() END
    WHERE o.id = item.id;
  END LOOP;
END
$$;
