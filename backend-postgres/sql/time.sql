-- Transition: none. The docket and its time.
-- Tables: meta.
-- spoken: the docket's name, if the caller uses the layout of these functions; else an error, and
-- nothing is run.
-- enter: the docket's number (created on first use), the clock override of tests, how far the
-- docket's time is ahead of the server's clock, and the latest time noted.
-- now_of: the docket's time. It never goes back: if the clock was set back, the step is added to
-- `ahead`, so that leases and delays run on. Tables hold the docket's time; arguments and results
-- use the server's clock.
-- ahead_of: the same for calls that only read.
-- resolve: the time meant by now, in or at; never before now. The caller refuses a time that is too
-- far away.
-- Repeated: the same docket; a later time.
CREATE OR REPLACE FUNCTION docket.server_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  -- extract() returns numeric since Postgres 14, so no float is involved.
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

CREATE OR REPLACE FUNCTION docket.now_of(clock bigint, ahead bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(clock, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) + ahead
$$;

CREATE OR REPLACE FUNCTION docket.ahead_of(m docket.meta) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT greatest(m.ahead, m.seen - docket.now_of(m.clock, 0))
$$;

-- Notes that the server's clock was set back, unless another call is doing so.
CREATE OR REPLACE FUNCTION docket.note_step(d int, ahead_now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE docket.meta m SET
    ahead = ahead_now, steps = m.steps + CASE WHEN ahead_now - m.ahead >= {CLOCK_STEP} THEN 1 ELSE 0 END
  WHERE m.ctid = (
    SELECT x.ctid FROM docket.meta x WHERE x.id = d AND x.ahead < ahead_now FOR UPDATE SKIP LOCKED
  );
  -- The waiters are registered until a time of the clock before the step. All poll again and
  -- register again.
  IF FOUND THEN
    DELETE FROM docket.waiter w WHERE w.ctid = ANY (ARRAY(
      SELECT noted.ctid FROM docket.waiter noted WHERE noted.docket = d FOR UPDATE SKIP LOCKED
    ));
    PERFORM pg_notify(docket.channel(d), '*');
  END IF;
END
$$;

-- Notes the time now and then: if every call wrote this row, all calls would wait for each other. A
-- step back that is shorter than the time since then goes unnoticed.
CREATE OR REPLACE FUNCTION docket.note_time(d int, clock bigint, seen bigint, moment bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF clock IS NULL AND seen <= moment - {CLOCK_STEP} THEN
    UPDATE docket.meta m SET seen = moment
    WHERE m.ctid = (SELECT x.ctid FROM docket.meta x WHERE x.id = d AND x.seen < moment FOR UPDATE SKIP LOCKED);
  END IF;
END
$$;

-- Times of the server's clock in the docket's time; delays stay as they are.
CREATE OR REPLACE FUNCTION docket.translated(kind text, micros bigint, ahead bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  -- A time that is too far stays too far, without overflow.
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
    -- Still too far, without overflow.
    moment + {DELAY_MAX} + 1
  )
$$;

CREATE OR REPLACE FUNCTION docket.is_too_far(visible bigint, moment bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT visible > moment + {DELAY_MAX}
$$;

-- Whether this call runs in a transaction that the application began: see src/transaction.rs.
CREATE OR REPLACE FUNCTION docket.in_callers_transaction() RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT current_setting('docket_queue.in_transaction', true) IS NOT DISTINCT FROM 'on'
$$;

-- A process of an older build may still run while a newer one migrates: its arguments must not be
-- misread.
CREATE OR REPLACE FUNCTION docket.spoken(docket_name text, layout bigint) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF layout <> {LAYOUT} THEN
    RAISE EXCEPTION 'the layout of the schema is {LAYOUT} and this build speaks %; use a matching build', layout
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
    RAISE EXCEPTION 'its layout is % and this build reads {LAYOUT}; use a matching build', found_layout
      USING ERRCODE = '{OTHER_LAYOUT}';
  END IF;
  IF docket.now_of(clock, ahead) < seen THEN
    ahead := seen - docket.now_of(clock, 0);
    -- A transaction of the application may stay open and would lock the row that long.
    IF NOT docket.in_callers_transaction() THEN
      PERFORM docket.note_step(id, ahead);
    END IF;
  END IF;
  IF docket.in_callers_transaction() THEN
    PERFORM pg_advisory_xact_lock_shared(docket.floor_lock(id));
  END IF;
END
$$;
