-- Transition: none. What became of the rows that were brought to the docket's store.
-- Tables: outbox.
-- Arguments: the rows that it has; then, by column, those it answered with an error: the row, the error, and whether it is
-- one for good: such a row is kept, and no longer waits. A schedule that has arrived supersedes what was refused of its key
-- before it, even if that was let wait again meanwhile: the last one counts.
-- Twice: nothing more.
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
