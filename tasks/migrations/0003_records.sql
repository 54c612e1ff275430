-- What the tasks that write to users' PDSs add to the tables of plyr.fm. Safe on a database in use: no table is rewritten.
-- The triggers keep the slots in the transaction that changes a row, whoever changes it.

-- A record of ours on somebody's PDS. Outlives its row, so that an unlike still knows what to delete; forgotten by the
-- task once the PDS has followed. revision counts what was wanted, written is what the PDS has.
CREATE TABLE pds_records (
  kind text NOT NULL CHECK (kind IN ('like', 'comment')),
  subject bigint NOT NULL,
  did text NOT NULL,
  rkey text NOT NULL,
  revision bigint NOT NULL DEFAULT 1,
  written bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, subject, did)
);
CREATE INDEX pds_records_behind ON pds_records (did, created_at) WHERE written < revision;

-- A timestamp identifier: microseconds and ten random bits, as 13 characters that sort by time.
CREATE FUNCTION pds_tid() RETURNS text LANGUAGE sql VOLATILE AS $$
  WITH now AS (
    SELECT ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint << 10) | (random() * 1023)::bigint AS bits
  )
  SELECT string_agg(substr('234567abcdefghijklmnopqrstuvwxyz', ((bits >> (60 - 5 * place)) & 31)::int + 1, 1), ''
                    ORDER BY place)
  FROM now, generate_series(0, 12) AS place
$$;

-- Something else is wanted of a record. One whose address is known with the row is where that says, and there already if
-- the row came with it (from the firehose).
CREATE FUNCTION pds_want(a_kind text, a_subject bigint, a_did text, a_uri text, a_is_there boolean) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO pds_records AS r (kind, subject, did, rkey, written)
  VALUES (a_kind, a_subject, a_did, coalesce(substring(a_uri FROM '[^/]+$'), pds_tid()), a_is_there::int)
  ON CONFLICT (kind, subject, did) DO UPDATE SET
    revision = r.revision + 1,
    rkey = coalesce(substring(a_uri FROM '[^/]+$'), r.rkey),
    written = CASE WHEN a_is_there THEN r.revision + 1 ELSE r.written END
$$;

CREATE FUNCTION pds_like_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM pds_want('like', OLD.track_id, OLD.user_did, OLD.atproto_like_uri, false);
  ELSE
    PERFORM pds_want('like', NEW.track_id, NEW.user_did, NEW.atproto_like_uri, NEW.atproto_like_uri IS NOT NULL);
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION pds_comment_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM pds_want('comment', OLD.id, OLD.user_did, OLD.atproto_comment_uri, false);
  ELSE
    PERFORM pds_want('comment', NEW.id, NEW.user_did, NEW.atproto_comment_uri,
                     TG_OP = 'INSERT' AND NEW.atproto_comment_uri IS NOT NULL);
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER pds_like_changed AFTER INSERT OR DELETE ON track_likes
  FOR EACH ROW EXECUTE FUNCTION pds_like_changed();
CREATE TRIGGER pds_comment_changed AFTER INSERT OR DELETE OR UPDATE OF text, timestamp_ms ON track_comments
  FOR EACH ROW EXECUTE FUNCTION pds_comment_changed();

-- What is there already. A row without an address never reached the PDS: it is written at the next login.
INSERT INTO pds_records (kind, subject, did, rkey, written, created_at)
  SELECT 'like', track_id, user_did, coalesce(substring(atproto_like_uri FROM '[^/]+$'), pds_tid()),
         (atproto_like_uri IS NOT NULL)::int, created_at FROM track_likes
  UNION ALL
  SELECT 'comment', id, user_did, coalesce(substring(atproto_comment_uri FROM '[^/]+$'), pds_tid()),
         (atproto_comment_uri IS NOT NULL)::int, created_at FROM track_comments;

-- Tokens have a version, which whoever changes them raises; one worker at a time refreshes them.
ALTER TABLE user_sessions
  ADD COLUMN token_version bigint NOT NULL DEFAULT 0,
  ADD COLUMN refresh_holder uuid,
  ADD COLUMN refresh_until timestamptz;
CREATE INDEX user_sessions_of ON user_sessions (did, created_at);

CREATE FUNCTION session_tokens_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.token_version := OLD.token_version + 1;
  NEW.refresh_holder := NULL;
  NEW.refresh_until := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER session_tokens_changed BEFORE UPDATE OF oauth_session_data ON user_sessions
  FOR EACH ROW WHEN (OLD.oauth_session_data IS DISTINCT FROM NEW.oauth_session_data)
  EXECUTE FUNCTION session_tokens_changed();
