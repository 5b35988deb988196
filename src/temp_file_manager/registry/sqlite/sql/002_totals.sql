-- What the service shows: totals that outlive every process, and a journal of sweeps and samples.

-- The sum of the records' sizes, kept with each change as their number is; and how many were ever put on record.
ALTER TABLE scopes ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scopes ADD COLUMN registered INTEGER NOT NULL DEFAULT 0;
UPDATE scopes SET bytes = (SELECT total(size) FROM files WHERE scope = scopes.id), registered = records;

-- files_by_age has those without a ttl: together they tell which is the oldest of all.
CREATE INDEX files_with_ttl_by_age ON files (scope, registered_at) WHERE due_at IS NOT NULL;

CREATE TABLE totals (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    name TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (id),
    journal TEXT NOT NULL,
    at REAL NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX notes_by_journal ON notes (scope, journal, id);
