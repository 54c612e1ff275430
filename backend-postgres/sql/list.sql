-- Transition: none. Reads records as Inspect shows them: by key, or a page in the order of keys.
-- Tables: meta, task.
-- view: one row per key that exists.
-- page: the key to start after, the number of records to examine, the tasks and bytes to return,
-- and state, name, queue (null: all). Its OUT columns are no task: they carry the docket's time,
-- its lead over the server's clock, and the last key examined (null: the end).
CREATE OR REPLACE FUNCTION docket.view(d int, moment bigint, ahead bigint, asked text[])
RETURNS TABLE (
  key text, name text, queue text, state text, args bytea, attempts bigint, crashes bigint, fence bigint,
  visible_at bigint, added_at bigint, worker text, error bytea, result bytea, every bigint, failures bigint,
  cancelling boolean, successor_args bytea, successor_visible_at bigint
) LANGUAGE sql STABLE AS $$
  SELECT t.key, t.name, t.queue, docket.shown(t.state, t.visible_at, moment), t.args, t.attempts, t.crashes, t.fence,
    t.visible_at - view.ahead, t.added_at - view.ahead, t.worker, t.error, t.result, t.every, t.failures, t.cancelling,
    (t.successor).args, (t.successor).visible_at - view.ahead
  FROM unnest(asked) AS k(key)
  CROSS JOIN LATERAL (SELECT * FROM docket.task s WHERE s.docket = d AND s.key = k.key OFFSET 0) t
$$;

CREATE OR REPLACE FUNCTION docket.page(
  docket_name text, after text, look bigint, limit_max bigint, bytes_max bigint, asked_state text, asked_name text,
  asked_queue text, OUT id int, OUT moment bigint, OUT last text, OUT keys text[], OUT ahead bigint,
  OUT clock_offset bigint, OUT clock_steps bigint
) LANGUAGE plpgsql STABLE {ENTRY} AS $$
DECLARE
  candidate record;
  settled bigint;
  looked bigint := 0;
  bytes bigint := 0;
BEGIN
  SELECT m.id, docket.ahead_of(m), docket.now_of(m.clock, 0), m.steps, m.settled INTO id, ahead, moment, clock_steps, settled
    FROM docket.meta m WHERE m.name = docket_name;
  ahead := coalesce(ahead, 0);
  clock_offset := ahead - coalesce(settled, 0);
  clock_steps := coalesce(clock_steps, 0);
  moment := moment + ahead;
  keys := '{}';
  moment := coalesce(moment, docket.server_now());
  FOR candidate IN
    SELECT t.key, t.name, t.queue, docket.shown(t.state, t.visible_at, moment) AS state,
      octet_length(t.args) + coalesce(octet_length(t.result), 0) + coalesce(octet_length(t.error), 0)
        + coalesce(octet_length((t.successor).args), 0) AS bytes
    FROM docket.task t WHERE t.docket = page.id AND t.key > coalesce(after, '') ORDER BY t.key
    LIMIT look + 1
  LOOP
    IF looked >= look OR cardinality(keys) >= limit_max THEN
      RETURN;
    END IF;
    IF candidate.state = coalesce(asked_state, candidate.state) AND candidate.name = coalesce(asked_name, candidate.name)
      AND candidate.queue = coalesce(asked_queue, candidate.queue) THEN
      IF cardinality(keys) > 0 AND bytes + candidate.bytes > bytes_max THEN
        RETURN;
      END IF;
      keys := keys || candidate.key;
      bytes := bytes + candidate.bytes;
    END IF;
    looked := looked + 1;
    last := candidate.key;
  END LOOP;
  last := NULL;
END
$$;

CREATE OR REPLACE FUNCTION docket.get(docket_name text, task_key text)
RETURNS TABLE (
  key text, name text, queue text, state text, args bytea, attempts bigint, crashes bigint, fence bigint,
  visible_at bigint, added_at bigint, worker text, error bytea, result bytea, every bigint, failures bigint,
  cancelling boolean, successor_args bytea, successor_visible_at bigint
) LANGUAGE sql STABLE {ENTRY} AS $$
  SELECT v.* FROM docket.meta m, docket.view(m.id, docket.now_of(m.clock, docket.ahead_of(m)), docket.ahead_of(m), ARRAY[task_key]) v
  WHERE m.name = docket_name
$$;
