-- What files take on the disk. A length says nothing of holes, of several names, and of what grew since.
ALTER TABLE files ADD COLUMN disk INTEGER;

-- When files were last used, of those that were found used since they were registered.
CREATE TABLE uses (
    file INTEGER PRIMARY KEY,  -- no index by time: what is used often would move in it each time somebody looks
    used_at REAL NOT NULL
);

-- The sums of those records that have tags, by the text of these. What comes and goes is added and subtracted by
-- statements, once for all that do so together: a trigger would make each registration and removal dearer.
CREATE TABLE tagged (
    scope INTEGER NOT NULL,
    tags TEXT NOT NULL,
    records INTEGER NOT NULL,
    bytes REAL NOT NULL,  -- in floating point: see statements.sql
    PRIMARY KEY (scope, tags)
) WITHOUT ROWID;
INSERT INTO tagged
SELECT scope, tags, count(*), total(coalesce(disk, size)) FROM files WHERE tags IS NOT NULL GROUP BY scope, tags;
CREATE INDEX files_by_tags ON files (scope, tags) WHERE tags IS NOT NULL;

CREATE TRIGGER files_resized AFTER UPDATE OF size, disk ON files WHEN old.tags IS NOT NULL
BEGIN
    UPDATE tagged SET bytes = bytes - coalesce(old.disk, old.size, 0) + coalesce(new.disk, new.size, 0)
    WHERE scope = old.scope AND tags = old.tags; END;

CREATE TRIGGER files_renewed AFTER UPDATE OF registered_at ON files
BEGIN
    DELETE FROM uses WHERE file = old.id; END;
