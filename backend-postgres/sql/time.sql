-- Transition: none. The docket and its time.
-- Tables: meta.
-- spoken: the docket's name, if the caller speaks the layout that these functions are of; else nothing is run.
-- enter: the docket's number, made when it is first heard of; the override of the server's clock, for tests; how far the
-- docket's time is ahead of that clock, and the latest time that was noted. now_of: its time. It does not go back: where the
-- clock was set back, the step goes into what it is ahead, so that leases and delays run on. Times in tables are the
-- docket's; those that come in and go out are the server's clock's. ahead_of: the same for who only reads. resolve: the moment
-- that a caller means by now, in or at; never earlier than now. The caller refuses one that is too far: more than the
-- furthest future away.
-- Twice: the same docket; a time that has gone on.
CREATE OR REPLACE FUNCTION docket.server_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  -- A numeric since Postgres 14: no float comes near it.
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

CREATE OR REPLACE FUNCTION docket.now_of(clock bigint, ahead bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(clock, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) + ahead
$$;

CREATE OR REPLACE FUNCTION docket.ahead_of(m docket.meta) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT greatest(m.ahead, m.seen - docket.now_of(m.clock, 0))
$$;

-- Notes a step back of the server's clock, unless another call does it just now.
CREATE OR REPLACE FUNCTION docket.note_step(d int, ahead_now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE docket.meta m SET
    ahead = ahead_now, steps = m.steps + CASE WHEN ahead_now - m.ahead >= {CLOCK_STEP} THEN 1 ELSE 0 END
  WHERE m.ctid = (
    SELECT x.ctid FROM docket.meta x WHERE x.id = d AND x.ahead < ahead_now FOR UPDATE SKIP LOCKED
  );
  -- Those who wait are noted until a moment of the clock before the step. All look again, and note themselves anew.
  IF FOUND THEN
    DELETE FROM docket.waiter w WHERE w.ctid = ANY (ARRAY(
      SELECT noted.ctid FROM docket.waiter noted WHERE noted.docket = d FOR UPDATE SKIP LOCKED
    ));
    PERFORM pg_notify(docket.channel(d), '*');
  END IF;
END
$$;

-- Notes the time, now and then: what every call wrote, every call would wait for. A step back that is shorter than the time
-- since then is not noticed.
CREATE OR REPLACE FUNCTION docket.note_time(d int, clock bigint, seen bigint, moment bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF clock IS NULL AND seen <= moment - {CLOCK_STEP} THEN
    UPDATE docket.meta m SET seen = moment
    WHERE m.ctid = (SELECT x.ctid FROM docket.meta x WHERE x.id = d AND x.seen < moment FOR UPDATE SKIP LOCKED);
  END IF;
END
$$;

-- Moments of the server's clock in the docket's time; a delay is a delay.
CREATE OR REPLACE FUNCTION docket.translated(kind text, micros bigint, ahead bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  -- One that is too far stays so, without overflow.
  SELECT CASE kind WHEN 'at' THEN least(micros, 4611686018427387904) + ahead ELSE micros END
$$;

CREATE OR REPLACE FUNCTION docket.translated(kinds text[], times bigint[], ahead bigint)
RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF ahead = 0 THEN
    RETURN times;
  END IF;
  RETURN ARRAY(
    SELECT docket.translated(t.kind, t.micros, ahead) FROM unnest(kinds, times) WITH ORDINALITY AS t(kind, micros, n)
    ORDER BY t.n
  );
END
$$;

CREATE OR REPLACE FUNCTION docket.translated(times bigint[], ahead bigint) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
  SELECT docket.translated(array_fill('at'::text, ARRAY[cardinality(times)]), times, ahead)
$$;

CREATE OR REPLACE FUNCTION docket.resolve(kind text, micros bigint, base bigint, moment bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT least(
    greatest(CASE kind WHEN 'in' THEN base + micros WHEN 'at' THEN micros ELSE moment END, moment),
    -- Still too far, and no overflow.
    moment + {DELAY_MAX} + 1
  )
$$;

CREATE OR REPLACE FUNCTION docket.is_too_far(visible bigint, moment bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT visible > moment + {DELAY_MAX}
$$;

-- Whether this call is part of a transaction that its caller began: see src/transaction.rs.
CREATE OR REPLACE FUNCTION docket.in_callers_transaction() RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT current_setting('docket_queue.in_transaction', true) IS NOT DISTINCT FROM 'on'
$$;

-- A process of an older build goes on while a newer one migrates: what it asks for must not be read as something else.
CREATE OR REPLACE FUNCTION docket.spoken(docket_name text, layout bigint) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF layout <> {LAYOUT} THEN
    RAISE EXCEPTION 'the layout of the schema is {LAYOUT} and this build speaks %; use a build of its time', layout
      USING ERRCODE = '{OTHER_LAYOUT}';
  END IF;
  RETURN docket_name;
END
$$;

CREATE OR REPLACE FUNCTION docket.enter(
  docket_name text, OUT id int, OUT clock bigint, OUT ahead bigint, OUT seen bigint
) LANGUAGE plpgsql AS $$
DECLARE
  found_layout bigint;
BEGIN
  SELECT m.id, m.clock, m.ahead, m.seen, m.layout INTO id, clock, ahead, seen, found_layout
    FROM docket.meta m WHERE m.name = docket_name;
  IF NOT FOUND THEN
    INSERT INTO docket.meta (name, layout) VALUES (docket_name, {LAYOUT}) ON CONFLICT DO NOTHING;
    SELECT m.id, m.clock, m.ahead, m.seen, m.layout INTO STRICT id, clock, ahead, seen, found_layout
      FROM docket.meta m WHERE m.name = docket_name;
  END IF;
  IF found_layout <> {LAYOUT} THEN
    RAISE EXCEPTION 'its layout is % and this build reads {LAYOUT}; use a build of its time', found_layout
      USING ERRCODE = '{OTHER_LAYOUT}';
  END IF;
  IF docket.now_of(clock, ahead) < seen THEN
    ahead := seen - docket.now_of(clock, 0);
    -- The caller's own transaction may take its time, and would hold the row that long.
    IF NOT docket.in_callers_transaction() THEN
      PERFORM docket.note_step(id, ahead);
    END IF;
  END IF;
  IF docket.in_callers_transaction() THEN
    PERFORM pg_advisory_xact_lock_shared(docket.floor_lock(id));
  END IF;
END
$$;
