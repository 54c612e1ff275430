-- Transition: none. The outbox for operators.
-- Tables: outbox.
-- outbox_counts: how many rows wait, the age of the oldest, how many were refused for good, and the
-- latest of those.
-- outbox_retry: refused rows wait again; those superseded by a newer schedule of their key are
-- deleted.
-- outbox_clear: deletes up to a number of rows. Both answer how many.
-- Repeated: handles the rows that are left.
CREATE OR REPLACE FUNCTION docket.outbox_counts(
  docket_name text, OUT waiting bigint, OUT oldest bigint, OUT refused bigint, OUT refused_key text, OUT refused_error text
) LANGUAGE plpgsql {ENTRY} AS $$
BEGIN
  SELECT count(*) INTO waiting FROM docket.outbox o WHERE o.docket = docket_name AND o.refused_at IS NULL;
  SELECT l.oldest INTO oldest FROM docket.outbox_look(docket_name) l;
  SELECT count(*) INTO refused FROM docket.outbox o WHERE o.docket = docket_name AND o.refused_at IS NOT NULL;
  SELECT o.key, o.error INTO refused_key, refused_error FROM docket.outbox o
    WHERE o.docket = docket_name AND o.refused_at IS NOT NULL ORDER BY o.id DESC LIMIT 1;
END
$$;

CREATE OR REPLACE FUNCTION docket.outbox_retry(docket_name text) RETURNS bigint
LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  row_id bigint;
  changed bigint := 0;
BEGIN
  FOR row_id IN
    SELECT o.id FROM docket.outbox o WHERE o.docket = docket_name AND o.refused_at IS NOT NULL ORDER BY o.id
  LOOP
    UPDATE docket.outbox o SET refused_at = NULL WHERE o.id = row_id AND NOT o.superseded;
    IF FOUND THEN
      changed := changed + 1;
    ELSE
      DELETE FROM docket.outbox o WHERE o.id = row_id AND o.superseded;
    END IF;
  END LOOP;
  PERFORM pg_notify(docket.outbox_channel(docket_name), '');
  RETURN changed;
END
$$;

CREATE OR REPLACE FUNCTION docket.outbox_clear(docket_name text, count_max bigint) RETURNS bigint
LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  row_id bigint;
  gone bigint := 0;
BEGIN
  FOR row_id IN SELECT o.id FROM docket.outbox o WHERE o.docket = docket_name ORDER BY o.id LIMIT count_max LOOP
    DELETE FROM docket.outbox o WHERE o.id = row_id;
    gone := gone + 1;
  END LOOP;
  RETURN gone;
END
$$;
