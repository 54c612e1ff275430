-- Transition: none. The docket and its time.
-- Tables: meta.
-- enter: the docket's number and its clock override, made when it is first heard of. now_of: its time. resolve: the moment
-- that a caller means by now, in or at; never earlier than now. The caller refuses one that is too far: more than the
-- furthest future away.
-- Twice: the same docket; a time that has gone on.
CREATE OR REPLACE FUNCTION docket.server_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  -- A numeric since Postgres 14: no float comes near it.
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

CREATE OR REPLACE FUNCTION docket.now_of(clock bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(clock, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
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

CREATE OR REPLACE FUNCTION docket.enter(docket_name text, OUT id int, OUT clock bigint) LANGUAGE plpgsql AS $$
BEGIN
  SELECT m.id, m.clock INTO id, clock FROM docket.meta m WHERE m.name = docket_name;
  IF NOT FOUND THEN
    INSERT INTO docket.meta (name) VALUES (docket_name) ON CONFLICT DO NOTHING;
    SELECT m.id, m.clock INTO STRICT id, clock FROM docket.meta m WHERE m.name = docket_name;
  END IF;
  IF docket.in_callers_transaction() THEN
    PERFORM pg_advisory_xact_lock_shared(docket.floor_lock(id));
  END IF;
END
$$;
