-- Records that wait for a server, and those that it has taken and may lose when a standby takes over.
CREATE TABLE spool (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,              -- of its journal at the server
    whose TEXT NOT NULL DEFAULT '',  -- the registry and the scope
    batch INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0
);
INSERT INTO spool (id, name) VALUES (1, lower(hex(randomblob(16))));
CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path BLOB NOT NULL UNIQUE,
    registered_at REAL NOT NULL,
    details TEXT NOT NULL,           -- what else is known of it, as JSON
    only_new INTEGER NOT NULL,
    batch INTEGER,                   -- in which it was sent; NULL: it waits
    sent_at REAL                     -- on the clock that nobody can set
);
CREATE INDEX records_by_batch ON records (batch, id);
CREATE TRIGGER record_added AFTER INSERT ON records
    BEGIN UPDATE spool SET waiting = waiting + 1; END;
CREATE TRIGGER record_moved AFTER UPDATE OF batch ON records
    BEGIN UPDATE spool SET waiting = waiting + (new.batch IS NULL) - (old.batch IS NULL); END;
CREATE TRIGGER record_dropped AFTER DELETE ON records
    BEGIN UPDATE spool SET waiting = waiting - (old.batch IS NULL); END
