-- What sets a record apart from that of a plain file about which the age limit decides.
-- The name of the rule that has set due_at, or NULL.
ALTER TABLE files ADD COLUMN rule TEXT;
-- What it stands for, or NULL: a file.
ALTER TABLE files ADD COLUMN kind TEXT;
-- Where that was before it was moved away or compressed, or NULL.
ALTER TABLE files ADD COLUMN origin BLOB;

-- Of those that few have: an index of all that are under a rule would make each registration under one dearer.
CREATE INDEX files_by_kind ON files (kind, scope) WHERE kind IS NOT NULL;
CREATE INDEX files_by_origin ON files (scope, origin) WHERE origin IS NOT NULL;
CREATE INDEX files_without_end ON files (scope, rule, registered_at) WHERE due_at = 9e999 AND rule IS NOT NULL;
