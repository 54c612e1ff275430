-- Transition: none. What became of the rows that were brought to the docket's store.
-- Tables: outbox.
-- Arguments: the rows that it has; then, by column, those it answered with an error: the row, the error, and whether it is
-- one for good: such a row is kept, and no longer waits.
-- Twice: nothing more.
CREATE OR REPLACE FUNCTION docket.outbox_settle(done bigint[], failed bigint[], errors text[], for_good boolean[])
RETURNS void LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  row_id bigint;
  item record;
BEGIN
  FOREACH row_id IN ARRAY done LOOP
    DELETE FROM docket.outbox o WHERE o.id = row_id;
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
