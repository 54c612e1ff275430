-- Transition: none. Reads the outbox, for the one worker that relays it.
-- Tables: outbox.
-- outbox_look: the age of the oldest row (null: none waits), and the channel that announces new
-- rows.
-- outbox_take: the oldest rows up to a count and a number of bytes of args, one per key; none while
-- another transaction relays. Delays are returned as the time that is left.
-- outbox_hold_empty: whether no row waits; then no other transaction relays until this one ends.
-- Repeated, in a later transaction: the same rows.
CREATE OR REPLACE FUNCTION docket.outbox_look(docket_name text, OUT oldest bigint, OUT channel text)
LANGUAGE plpgsql {ENTRY} AS $$
BEGIN
  SELECT greatest(docket.server_now() - o.inserted_at, 0) INTO oldest FROM docket.outbox o
    WHERE o.docket = docket_name AND o.refused_at IS NULL ORDER BY o.id LIMIT 1;
  channel := docket.outbox_channel(docket_name);
END
$$;

CREATE OR REPLACE FUNCTION docket.outbox_take(docket_name text, count_max bigint, bytes_max bigint)
RETURNS TABLE (
  id bigint, verb text, key text, add_id uuid, name text, queue text, args bytea, kind text, micros bigint, every bigint,
  max_attempts bigint, max_crashes bigint
) LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  moment bigint := docket.server_now();
  item docket.outbox;
  keys text[] := '{}';
  bytes bigint := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(docket.outbox_lock(docket_name, 'relay')) THEN
    RETURN;
  END IF;
  FOR item IN
    SELECT * FROM docket.outbox o WHERE o.docket = docket_name AND o.refused_at IS NULL ORDER BY o.id LIMIT count_max
  LOOP
    CONTINUE WHEN item.key = ANY (keys);
    bytes := bytes + octet_length(item.args);
    EXIT WHEN bytes > bytes_max AND cardinality(keys) > 0;
    keys := keys || item.key;
    RETURN QUERY SELECT item.id, item.verb, item.key, item.add_id, item.name, item.queue, item.args, item.kind,
      CASE item.kind WHEN 'in' THEN greatest(item.due - moment, 0) ELSE item.due END, item.every, item.max_attempts,
      item.max_crashes;
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION docket.outbox_hold_empty(docket_name text) RETURNS boolean LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  waits bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(docket.outbox_lock(docket_name, 'relay')) THEN
    RETURN false;
  END IF;
  SELECT l.oldest INTO waits FROM docket.outbox_look(docket_name) l;
  RETURN waits IS NULL;
END
$$;
