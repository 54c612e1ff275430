-- Transition: none yet. Writes tasks in a transaction of the application, for a docket in another
-- store.
-- Tables: outbox.
-- Arguments: the docket, the verb (add, schedule); then per task, by column, as in add.sql.
-- Result: nothing; the commit wakes the relay.
-- Repeated: two rows with one add id; the docket's store accepts one.
--
-- Two transactions that write the same key wait for each other, so that its rows are numbered in
-- the order of the commits. The lock is taken before the number is drawn, in the order of the keys.
CREATE OR REPLACE FUNCTION docket.outbox_channel(docket_name text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'docket_outbox_' || 'docket.outbox'::regclass::oid || '_' || md5(docket_name)
$$;

CREATE OR REPLACE FUNCTION docket.outbox_lock(docket_name text, what text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT hashtextextended(docket_name || ' ' || what, 'docket.outbox'::regclass::oid::bigint)
$$;

CREATE OR REPLACE FUNCTION docket.outbox_add(
  docket_name text, given_verb text, keys text[], ids uuid[], names text[], queues text[], payloads bytea[], kinds text[],
  times bigint[], everys bigint[], attempts_maxs bigint[], crashes_maxs bigint[]
) RETURNS void LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  task_key text;
  moment bigint;
BEGIN
  FOR task_key IN SELECT k.key FROM unnest(keys) AS k(key) GROUP BY 1 ORDER BY k.key COLLATE "C" LOOP
    PERFORM pg_advisory_xact_lock(docket.outbox_lock(docket_name, 'key ' || task_key));
  END LOOP;
  moment := docket.server_now();
  INSERT INTO docket.outbox (
    docket, verb, add_id, key, name, queue, args, kind, due, every, max_attempts, max_crashes, inserted_at
  )
  SELECT docket_name, given_verb, i.id, i.key, i.name, i.queue, i.args, i.kind,
    CASE i.kind WHEN 'in' THEN moment + i.micros ELSE i.micros END, i.every, i.max_attempts, i.max_crashes, moment
  FROM unnest(keys, ids, names, queues, payloads, kinds, times, everys, attempts_maxs, crashes_maxs)
    WITH ORDINALITY AS i(key, id, name, queue, args, kind, micros, every, max_attempts, max_crashes, n)
  ORDER BY i.n;
  PERFORM pg_notify(docket.outbox_channel(docket_name), '');
END
$$;
