-- Transition: Queued -> Moving; then Moving -> Cancelled, or Queued again.
-- Tables: meta, task, tally, waiter.
-- Arguments: take_out: the destination, the id of the call, the most tasks and bytes of args.
-- let_go, put_back: keys, and for each the id of the call that took it out.
-- Result: take_out: first, if leases had expired, a row with their number, and with the tasks that
-- reached their crash limit by it (as sweep returns them); then a parcel per row, in the order of
-- the lanes; or one row that names another destination to which tasks are already moving. let_go,
-- put_back: done, or busy if another transaction holds one of the rows (the others are done).
-- Repeated: take_out returns the tasks that are already out, as before, and then more. let_go and
-- put_back skip tasks that are not moving under their ticket.
CREATE OR REPLACE FUNCTION docket.take_out(
  docket_name text, destination text, id uuid, limit_max bigint, bytes_max bigint
) RETURNS TABLE (
  elsewhere text, parcel uuid, key text, name text, queue text, args bytea, visible_at bigint, due_at bigint,
  added_at bigint, every bigint, max_attempts bigint, max_crashes bigint, attempts bigint, crashes bigint,
  failures bigint, crashed_in_a_row bigint, fence bigint, error bytea, scheduled boolean, crashed bigint, limited text[]
) LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  moment bigint;
  ahead bigint;
  taken text[];
  chosen text[];
  candidate text;
  weight bigint;
  bytes bigint := 0;
BEGIN
  SELECT e.id, docket.now_of(e.clock, e.ahead), e.ahead INTO d, moment, ahead FROM docket.enter(docket_name) e;
  -- Two movers, possibly with two destinations.
  PERFORM pg_advisory_xact_lock(hashtextextended('moves of ' || docket.channel(d), 0));
  taken := ARRAY(
    SELECT t.key FROM docket.task t WHERE t.docket = d AND t.state = 'moving'
    ORDER BY t.visible_at, t.seq LIMIT greatest(limit_max, 1)
  );
  SELECT m.moving_to INTO elsewhere FROM docket.meta m WHERE m.id = d;
  IF elsewhere <> destination AND cardinality(taken) > 0 THEN
    RETURN NEXT;
    RETURN;
  END IF;
  UPDATE docket.meta m SET moving_to = destination WHERE m.id = d AND elsewhere IS DISTINCT FROM destination;
  elsewhere := NULL;
  SELECT s.crashed, s.limited INTO crashed, limited FROM docket.sweep_all(d, moment) s;
  IF crashed > 0 THEN
    RETURN NEXT;
  END IF;
  chosen := '{}';
  FOREACH candidate IN ARRAY (taken || docket.first_queued(d, limit_max - cardinality(taken)))[:limit_max] LOOP
    SELECT octet_length(t.args) INTO weight FROM docket.task t
      WHERE t.docket = d AND t.key = candidate AND t.state IN ('queued', 'moving') FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    bytes := bytes + weight;
    EXIT WHEN bytes > bytes_max AND cardinality(chosen) > 0;
    UPDATE docket.task t SET state = 'moving', parcel = take_out.id
      WHERE t.docket = d AND t.key = candidate AND t.state = 'queued';
    chosen := chosen || candidate;
  END LOOP;
  RETURN QUERY SELECT p.*, NULL::bigint, NULL::text[] FROM docket.parcels(d, ahead, chosen) p;
END
$$;

-- The first tasks of all lanes together.
CREATE OR REPLACE FUNCTION docket.first_queued(d int, room bigint) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(
    -- Count every future task as due: all of them move.
    SELECT h.key FROM docket.lanes(d, NULL, NULL, 9223372036854775807) a
    CROSS JOIN LATERAL unnest(a.queues, a.names) AS l(queue, name)
    CROSS JOIN (VALUES (false), (true)) AS s(suspect)
    CROSS JOIN LATERAL (
      SELECT t.key, t.visible_at, t.seq FROM docket.task t
      WHERE t.docket = d AND t.state = 'queued' AND t.queue = l.queue AND t.name = l.name AND t.suspect = s.suspect
      ORDER BY t.visible_at, t.seq LIMIT greatest(room, 0)
    ) h
    ORDER BY h.visible_at, h.seq LIMIT greatest(room, 0)
  );
END
$$;

-- The expired leases, of every name, with the default crash limit.
CREATE OR REPLACE FUNCTION docket.sweep_all(
  d int, moment bigint, OUT crashed bigint, OUT limited text[]
) LANGUAGE plpgsql AS $$
DECLARE
  swept record;
  late record;
BEGIN
  SELECT * INTO late FROM docket.lanes(d, NULL, NULL, moment);
  SELECT * INTO swept FROM docket.sweep(d, moment, NULL, late.queues, late.names);
  PERFORM docket.tally(d, swept.finished, swept.dead);
  PERFORM docket.announce(d, moment, swept.lanes, swept.visibles);
  crashed := swept.crashed;
  limited := swept.limited;
END
$$;

CREATE OR REPLACE FUNCTION docket.parcels(d int, ahead bigint, chosen text[]) RETURNS TABLE (
  elsewhere text, parcel uuid, key text, name text, queue text, args bytea, visible_at bigint, due_at bigint,
  added_at bigint, every bigint, max_attempts bigint, max_crashes bigint, attempts bigint, crashes bigint,
  failures bigint, crashed_in_a_row bigint, fence bigint, error bytea, scheduled boolean
) LANGUAGE sql STABLE AS $$
  SELECT NULL::text, t.parcel, t.key, t.name, t.queue, t.args, t.visible_at - parcels.ahead,
    t.due_at - parcels.ahead, t.added_at - parcels.ahead, t.every,
    t.max_attempts, t.max_crashes, t.attempts, t.crashes, t.failures, t.crashed_in_a_row, t.fence, t.error,
    docket.origin(t.call_answers) IN ('placed', 'moved', 'follows', 'arrived:moved', 'arrived:follows')
  FROM unnest(chosen) WITH ORDINALITY AS k(key, n)
  CROSS JOIN LATERAL (SELECT * FROM docket.task s WHERE s.docket = d AND s.key = k.key OFFSET 0) t
  ORDER BY k.n
$$;

CREATE OR REPLACE FUNCTION docket.let_go(docket_name text, keys text[], ids uuid[])
RETURNS text LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  moment bigint;
  destination text;
  held text[];
  rec docket.task;
  finished bigint := 0;
BEGIN
  SELECT e.id, docket.now_of(e.clock, e.ahead) INTO d, moment FROM docket.enter(docket_name) e;
  SELECT m.moving_to INTO destination FROM docket.meta m WHERE m.id = d;
  held := docket.lock_all(d, keys);
  FOR i IN 1 .. cardinality(keys) LOOP
    CONTINUE WHEN held[i] <> 'ours';
    rec := docket.lock(d, keys[i]);
    CONTINUE WHEN rec.state <> 'moving' OR rec.parcel <> ids[i];
    rec := docket.finish(rec, 'cancelled', {RETENTION}, moment);
    rec.error := convert_to('moved to ' || destination, 'UTF8');
    PERFORM docket.store(rec, false);
    finished := finished + docket.finished_by(rec);
  END LOOP;
  PERFORM docket.tally(d, finished, 0);
  RETURN CASE WHEN 'busy' = ANY (held) THEN 'busy' ELSE 'done' END;
END
$$;

CREATE OR REPLACE FUNCTION docket.put_back(docket_name text, keys text[], ids uuid[])
RETURNS text LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
  moment bigint;
  held text[];
  rec docket.task;
  lanes text[] := '{}';
  visibles bigint[] := '{}';
BEGIN
  SELECT e.id, docket.now_of(e.clock, e.ahead) INTO d, moment FROM docket.enter(docket_name) e;
  held := docket.lock_all(d, keys);
  FOR i IN 1 .. cardinality(keys) LOOP
    CONTINUE WHEN held[i] <> 'ours';
    rec := docket.lock(d, keys[i]);
    CONTINUE WHEN rec.state <> 'moving' OR rec.parcel <> ids[i];
    UPDATE docket.task t SET state = 'queued', parcel = NULL WHERE t.docket = d AND t.key = keys[i];
    lanes := lanes || (rec.queue || '|' || rec.name);
    visibles := visibles || rec.visible_at;
  END LOOP;
  PERFORM docket.announce(d, moment, lanes, visibles);
  RETURN CASE WHEN 'busy' = ANY (held) THEN 'busy' ELSE 'done' END;
END
$$;
