-- What the tasks add to the tables of plyr.fm. Safe on a database in use: no table is rewritten, and what an older version
-- of the service writes meanwhile stays valid.

-- A scan is about one audio of a track, and a failed scan does not clear it. Rows from before have no file id and are left.
ALTER TABLE copyright_scans
  ADD COLUMN file_id text,
  ADD COLUMN state text CHECK (state IN ('clear', 'flagged', 'resolved', 'failed')),
  ADD COLUMN self_match text,
  ADD COLUMN error text;
CREATE UNIQUE INDEX copyright_scans_of_file ON copyright_scans (track_id, file_id) WHERE file_id IS NOT NULL;

-- The largest fence that wrote to a job: a run that lost its lease cannot.
ALTER TABLE jobs ADD COLUMN fence bigint;

-- Who was told of a flag: how often that was begun, and whether it arrived.
ALTER TABLE copyright_scans
  ADD COLUMN event_begun integer NOT NULL DEFAULT 0,
  ADD COLUMN event_sent boolean NOT NULL DEFAULT false,
  ADD COLUMN message_begun integer NOT NULL DEFAULT 0,
  ADD COLUMN message_sent boolean NOT NULL DEFAULT false;
