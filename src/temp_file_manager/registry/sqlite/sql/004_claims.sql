-- Claims exclude: nobody but its claimer changes a claimed record. Records taken together are mostly neighbours.
CREATE TABLE claimed (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,  -- ids of records: all from the first to this one are there, and claimed
    claim INTEGER NOT NULL REFERENCES claims (id)
);
-- What sweeps of an earlier version are at work on. Earlier versions, which may go on reading, look at "files".
INSERT OR IGNORE INTO claimed SELECT value, value, claims.id FROM claims, json_each(claims.files) ORDER BY claims.id DESC;

-- How many claims have ended: whoever looked at a file before one did looks again.
ALTER TABLE numbers ADD COLUMN settlements INTEGER NOT NULL DEFAULT 0;

CREATE INDEX keeps_by_holder ON keeps (holder) WHERE holder IS NOT NULL;
