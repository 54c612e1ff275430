-- Transition: none. Notes the layout and, where given, the environment of a docket that has none.
-- Tables: meta.
-- Arguments: layout, environment (may be null).
-- Result: layout and environment as they are now; the caller compares.
-- Twice: the same.
CREATE OR REPLACE FUNCTION docket.join(
  docket_name text, our_layout bigint, our_environment text, OUT found_layout bigint, OUT found_environment text
) LANGUAGE plpgsql {ENTRY} AS $$
DECLARE
  d int;
BEGIN
  SELECT e.id INTO d FROM docket.enter(docket_name) e;
  SELECT m.layout, m.environment INTO found_layout, found_environment FROM docket.meta m WHERE m.id = d FOR UPDATE;
  IF found_layout IS NULL
    OR (found_layout = our_layout AND found_environment IS NULL AND our_environment IS NOT NULL) THEN
    found_layout := coalesce(found_layout, our_layout);
    found_environment := coalesce(found_environment, our_environment);
    UPDATE docket.meta m SET layout = found_layout, environment = found_environment WHERE m.id = d;
  END IF;
END
$$;
