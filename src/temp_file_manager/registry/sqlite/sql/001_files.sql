-- Paths are BLOBs: file names are bytes. Times are seconds since the epoch, those of identities nanoseconds.

CREATE TABLE numbers (
    last INTEGER NOT NULL,  -- everything that needs an order takes the next: records, claims, owners, failures
    registry TEXT NOT NULL  -- tells this file's numbers from those of one that was here before
);
INSERT INTO numbers VALUES (0, lower(hex(randomblob(6))));

CREATE TABLE scopes (
    id INTEGER PRIMARY KEY,
    base BLOB NOT NULL UNIQUE,
    records INTEGER NOT NULL DEFAULT 0  -- kept with each change: counting a million rows takes too long
);

CREATE TABLE facts (
    scope INTEGER NOT NULL REFERENCES scopes (id),
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

CREATE TABLE directories (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (id),
    path BLOB NOT NULL,
    UNIQUE (scope, path)
);

CREATE TABLE files (
    id INTEGER PRIMARY KEY,  -- the record's generation: a path registered again gets a new one
    scope INTEGER NOT NULL REFERENCES scopes (id),
    directory INTEGER NOT NULL REFERENCES directories (id),
    name BLOB NOT NULL,
    registered_at REAL NOT NULL,
    due_at REAL,
    size INTEGER,
    tags TEXT,  -- a JSON array, or NULL for none
    inode INTEGER NOT NULL,
    born INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    parent_inode INTEGER NOT NULL,  -- of the directory as this file was registered in it: it may be another one now
    parent_born INTEGER NOT NULL,
    owner INTEGER NOT NULL,  -- which registry object added it
    failures INTEGER NOT NULL DEFAULT 0,
    tried INTEGER NOT NULL DEFAULT 0,  -- the number of the last attempt that left it here
    retry_at REAL,
    UNIQUE (directory, name)
);
-- Each record is in one of these two, in the order in which sweeps take them.
CREATE INDEX files_by_age ON files (scope, registered_at) WHERE due_at IS NULL;
CREATE INDEX files_by_due ON files (scope, due_at) WHERE due_at IS NOT NULL;

-- Pins and holds. They belong to a path, not to a record: registering a file again does not end them.
CREATE TABLE keeps (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (id),
    directory INTEGER NOT NULL REFERENCES directories (id),
    name BLOB NOT NULL,
    until REAL NOT NULL,
    holder INTEGER  -- an owner: a hold ends with its process; NULL: a pin
);
CREATE INDEX keeps_by_name ON keeps (directory, name);

-- Beside the files, not in them: claiming fifty then writes one row instead of fifty.
CREATE TABLE claims (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (id),
    claimer INTEGER NOT NULL,  -- an owner: whose lock file tells whether it lives
    lapses_at REAL NOT NULL,  -- on the clock that nobody can set
    files TEXT NOT NULL  -- a JSON array of their ids
);
