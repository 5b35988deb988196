-- Owners of records, which are due when their owner ends.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (id),
    name TEXT NOT NULL,
    owner INTEGER,  -- an owner, whose lock file tells whether it lives; this very session: its heirs; NULL: no lock file
    process TEXT,  -- which process owns it, as a JSON object, or NULL
    began_at REAL NOT NULL,
    ends_at REAL NOT NULL,
    ended_at REAL  -- NULL: it lives
);
CREATE INDEX sessions_ended ON sessions (scope) WHERE ended_at IS NOT NULL;

-- The session that a record is in; 0: none.
ALTER TABLE files ADD COLUMN session INTEGER NOT NULL DEFAULT 0;
CREATE INDEX files_by_session ON files (session) WHERE session <> 0;
