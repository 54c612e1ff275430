-- Transition: none. Sets the environment of a docket that has none.
-- Tables: meta.
-- Arguments: environment (may be null).
-- Result: the environment now; the caller compares it. The layout is compared by enter, as in every
-- call.
-- Repeated: the same.
CREATE OR REPLACE FUNCTION docket.join(docket_name text, our_environment text, OUT found_environment text)
LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
BEGIN
  SELECT e.id INTO d FROM docket.enter(docket_name) e;
  SELECT m.environment INTO found_environment FROM docket.meta m WHERE m.id = d FOR UPDATE;
  IF found_environment IS NULL AND our_environment IS NOT NULL THEN
    found_environment := our_environment;
    UPDATE docket.meta m SET environment = found_environment WHERE m.id = d;
  END IF;
END
$$;
