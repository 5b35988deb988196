-- Every statement of the SQLite registry, by name. :name is bound by name, ? in executemany by position.
-- Sizes are summed by total(), in floating point: sum() fails where an integer would overflow.
-- A fragment stands for its text wherever its name is in braces, also in fragments that follow it.
-- Records take the numbers behind the last without a write to "numbers"; whatever deletes records writes it first.

-- fragment: file
files.id, directories.id, directories.path, files.name, registered_at, due_at, retry_at, failures, size, tags, kept,
       files.inode, files.born, changed, parent_inode, parent_born, volume, disk, session, rule, kind, origin

-- fragment: kept
(SELECT max(until) FROM keeps WHERE directory = files.directory AND name = files.name AND holder IS NULL),
       EXISTS (SELECT 1 FROM keeps WHERE directory = files.directory AND name = files.name AND holder IS NOT NULL),
       (SELECT used_at FROM uses WHERE file = files.id)

-- fragment: columns
id, scope, directory, name, registered_at, due_at, size, tags, inode, born, changed, parent_inode, parent_born, volume,
    owner, disk, session

-- fragment: values
?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?

-- fragment: room
coalesce(disk, size)

-- fragment: unclaimed
(NOT :any_claim OR coalesce((
      SELECT CASE WHEN claim IN (SELECT value FROM json_each(:ended)) THEN 0 ELSE last END
      FROM claimed WHERE first <= files.id ORDER BY first DESC LIMIT 1
  ), 0) < files.id)

-- fragment: unkept
(NOT :any_keep OR NOT EXISTS (
      SELECT 1 FROM keeps WHERE directory = files.directory AND keeps.name = files.name AND until > :asof
        AND (holder IS NULL OR holder NOT IN (SELECT value FROM json_each(:dead)))
  ))

-- fragment: untwinned
(NOT :any_twin OR NOT EXISTS (
      SELECT 1 FROM directories AS other JOIN files AS twin ON twin.directory = other.id
      WHERE directories.twin AND other.scope = directories.scope AND other.inode = directories.inode
        AND other.born = directories.born AND other.id <> directories.id AND twin.name = files.name
        AND (
          CASE WHEN :force THEN (:mine AND twin.owner <> :owner) OR (:session AND twin.session <> :session)
               WHEN twin.due_at IS NULL THEN NOT :asof - twin.registered_at > :max_age
               ELSE twin.due_at > :asof END
          OR (:chosen AND twin.session NOT IN (0, files.session) AND twin.due_at > :asof)
          OR EXISTS (
            SELECT 1 FROM keeps WHERE directory = twin.directory AND keeps.name = twin.name AND until > :asof
              AND (holder IS NULL OR holder NOT IN (SELECT value FROM json_each(:dead)))
          )
        )
  ))

-- fragment: due
tried <= :began AND (NOT :force OR files.id <= :began) AND (NOT :mine OR owner = :owner)
  AND {unclaimed}
  AND {unkept}
  AND {untwinned}

-- Where each walk goes on is two statements: among equals by id, then behind them. In one, as a comparison of pairs,
-- SQLite would walk through all the equals once more for each chunk.

-- fragment: due_without_ttl
SELECT {file}, NULL, 0, NULL
FROM files INDEXED BY files_by_age JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope AND due_at IS NULL AND retry_at IS NULL
  AND (:force OR :asof - registered_at > :max_age)
  AND {due}

-- fragment: due_with_ttl
SELECT {file}, NULL, 0, NULL
FROM files INDEXED BY files_by_due JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope AND due_at IS NOT NULL AND retry_at IS NULL
  AND {due}

-- fragment: due_tried
SELECT {file}, NULL, 0, NULL
FROM files INDEXED BY files_by_retry JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope AND retry_at IS NOT NULL
  AND (NOT :patient OR retry_at <= :asof OR retry_at > :asof + :last_retry)
  AND (:force OR CASE WHEN due_at IS NULL THEN :asof - registered_at > :max_age ELSE due_at <= :asof END)
  AND {due}

-- fragment: due_in_session
SELECT {file}, NULL, 0, NULL
FROM files INDEXED BY files_by_session JOIN directories ON directories.id = files.directory
WHERE files.session = :session AND files.session <> 0 AND files.scope = :scope
  AND (:force OR due_at <= :asof)
  AND (NOT :patient OR retry_at IS NULL OR retry_at <= :asof OR retry_at > :asof + :last_retry)
  AND {due}

-- fragment: tagged
files.scope = :scope AND tags IS NOT NULL AND tags IN (SELECT value FROM json_each(:tags))

-- fragment: every_without_ttl
SELECT {file}, {kept}
FROM files INDEXED BY files_by_age JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope AND due_at IS NULL

-- fragment: every_with_ttl
SELECT {file}, {kept}
FROM files INDEXED BY files_by_due JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope AND due_at IS NOT NULL

-- fragment: last
max(last, coalesce((SELECT max(id) FROM files), 0))

-- name: number
SELECT {last} FROM numbers

-- name: registry
SELECT registry FROM numbers

-- name: take_numbers
UPDATE numbers SET last = {last} + :count

-- name: settlements
SELECT settlements FROM numbers

-- name: count_settlement
UPDATE numbers SET settlements = settlements + 1

-- name: add_scope
INSERT OR IGNORE INTO scopes (base) VALUES (:base)

-- name: scope
SELECT id FROM scopes WHERE base = :base

-- name: counted
SELECT records, bytes,
    (SELECT count(*) FROM files WHERE scope = :scope), (SELECT total({room}) FROM files WHERE scope = :scope)
FROM scopes WHERE id = :scope

-- name: recount
UPDATE scopes SET
    records = (SELECT count(*) FROM files WHERE scope = :scope),
    bytes = (SELECT total({room}) FROM files WHERE scope = :scope)
WHERE id = :scope

-- name: add_tagged
INSERT INTO tagged SELECT scope, tags, count(*), total({room}) FROM files
WHERE id >= :first AND tags IS NOT NULL GROUP BY scope, tags
ON CONFLICT (scope, tags) DO UPDATE SET records = records + excluded.records, bytes = bytes + excluded.bytes

-- name: any_beside
SELECT EXISTS (SELECT 1 FROM uses), EXISTS (SELECT 1 FROM tagged)

-- name: forget_uses
DELETE FROM uses WHERE file BETWEEN ? AND ?

-- name: subtract_tagged
INSERT INTO tagged SELECT scope, tags, -count(*), -total({room}) FROM files
WHERE id BETWEEN ? AND ? AND tags IS NOT NULL GROUP BY scope, tags
ON CONFLICT (scope, tags) DO UPDATE SET records = records + excluded.records, bytes = bytes + excluded.bytes

-- name: drop_untagged
DELETE FROM tagged WHERE scope = :scope AND records = 0

-- name: tagged_counted
SELECT tags, total(records), total(bytes), total(found_records), total(found_bytes) FROM (
    SELECT tags, records, bytes, 0 AS found_records, 0 AS found_bytes FROM tagged WHERE scope = :scope
    UNION ALL SELECT tags, 0, 0, count(*), total({room}) FROM files
    WHERE scope = :scope AND tags IS NOT NULL GROUP BY tags
) GROUP BY tags

-- name: forget_tagged
DELETE FROM tagged WHERE scope = :scope

-- name: recount_tagged
INSERT INTO tagged
SELECT scope, tags, count(*), total({room}) FROM files WHERE scope = :scope AND tags IS NOT NULL GROUP BY tags

-- name: tagged
SELECT tags, records, bytes FROM tagged WHERE scope = :scope

-- name: count_records
UPDATE scopes SET records = records + ?, bytes = bytes + ?, registered = registered + ? WHERE id = ?

-- name: stats
SELECT records, bytes, registered, name, value FROM scopes LEFT JOIN totals ON totals.scope = scopes.id
WHERE scopes.id = :scope

-- name: add_to_counter
INSERT INTO totals (scope, name, value) VALUES (?, ?, ?)
ON CONFLICT (scope, name) DO UPDATE SET value = value + excluded.value

-- name: add_note
INSERT INTO notes (scope, journal, at, text) VALUES (:scope, :journal, :at, :text)

-- name: drop_notes
DELETE FROM notes WHERE scope = :scope AND journal = :journal AND id <= (
    SELECT id FROM notes WHERE scope = :scope AND journal = :journal ORDER BY id DESC LIMIT 1 OFFSET :keep
)

-- name: notes
SELECT at, text FROM notes WHERE scope = :scope AND journal = :journal AND at >= :since ORDER BY id DESC LIMIT :limit

-- name: size_since
SELECT total({room}) FROM files WHERE id >= :first

-- name: written_since
SELECT id FROM files WHERE id >= :first

-- name: directory
SELECT id, inode, born FROM directories WHERE scope = ? AND path = ?

-- name: know_directory
UPDATE directories SET inode = :inode, born = :born WHERE id = :id

-- name: know_twins
UPDATE directories SET twin = 1 WHERE scope = :scope AND inode = :inode AND born = :born
  AND (SELECT count(*) FROM directories WHERE scope = :scope AND inode = :inode AND born = :born) > 1

-- name: spellings
SELECT path FROM directories WHERE scope = :scope AND inode = :inode AND born = :born

-- name: add_directory
INSERT INTO directories (scope, path) VALUES (?, ?)

-- name: drop_empty_directory
DELETE FROM directories WHERE id = :id AND NOT EXISTS (SELECT 1 FROM files WHERE directory = :id)
  AND NOT EXISTS (SELECT 1 FROM keeps WHERE directory = :id)

-- name: single
SELECT {last}, settlements, EXISTS (SELECT 1 FROM claimed), EXISTS (SELECT 1 FROM directories WHERE twin),
    directories.id, directories.inode, directories.born, files.id, coalesce(files.disk, files.size)
FROM numbers LEFT JOIN directories ON directories.scope = ? AND directories.path = ?
  LEFT JOIN files ON files.directory = directories.id AND files.name = ?

-- Plain files in statements of their own: to bind three columns more, which are empty, costs a tenth of a registration.

-- name: add_new_file
INSERT OR IGNORE INTO files ({columns}) VALUES ({values})

-- name: replace_file
INSERT OR REPLACE INTO files ({columns}) VALUES ({values})

-- name: add_new_file_apart
INSERT OR IGNORE INTO files ({columns}, rule, kind, origin) VALUES ({values}, ?, ?, ?)

-- name: replace_file_apart
INSERT OR REPLACE INTO files ({columns}, rule, kind, origin) VALUES ({values}, ?, ?, ?)

-- name: file
SELECT {file}, {kept}
FROM directories JOIN files ON files.directory = directories.id
WHERE directories.scope = :scope AND directories.path = :path AND name = :name

-- name: files_of
SELECT {file}, NULL, 0, NULL
FROM json_each(:ids) AS wanted JOIN files ON files.id = wanted.value JOIN directories ON directories.id = files.directory

-- name: whose
SELECT owner, session, due_at, rule, kind, origin FROM directories JOIN files ON files.directory = directories.id
WHERE directories.scope = :scope AND directories.path = :path AND name = :name

-- name: forget_all_uses
DELETE FROM uses WHERE file IN (SELECT id FROM files WHERE scope = :scope)

-- name: forget_all
DELETE FROM files WHERE scope = :scope

-- name: forget_all_directories
DELETE FROM directories WHERE scope = :scope AND NOT EXISTS (SELECT 1 FROM keeps WHERE directory = directories.id)

-- name: due_by_age
{due_without_ttl} AND registered_at > :after AND registered_at <= :latest
ORDER BY registered_at, files.id LIMIT :limit

-- name: due_by_age_alike
{due_without_ttl} AND registered_at = :after AND :after <= :latest AND files.id > :after_id
ORDER BY files.id LIMIT :limit

-- name: due_by_ttl
{due_with_ttl} AND due_at > :after AND due_at <= :latest
ORDER BY due_at, files.id LIMIT :limit

-- name: due_by_ttl_alike
{due_with_ttl} AND due_at = :after AND :after <= :latest AND files.id > :after_id
ORDER BY files.id LIMIT :limit

-- name: due_by_retry
{due_tried} AND retry_at > :after
ORDER BY retry_at, files.id LIMIT :limit

-- name: due_by_retry_alike
{due_tried} AND retry_at = :after AND files.id > :after_id
ORDER BY files.id LIMIT :limit

-- name: due_by_session
{due_in_session} AND files.id > :after
ORDER BY files.id LIMIT :limit

-- name: every_by_age
{every_without_ttl} AND registered_at > :after
ORDER BY registered_at, files.id LIMIT :limit

-- name: every_by_age_alike
{every_without_ttl} AND registered_at = :after AND files.id > :after_id
ORDER BY files.id LIMIT :limit

-- name: every_by_due
{every_with_ttl} AND due_at > :after
ORDER BY due_at, files.id LIMIT :limit

-- name: every_by_due_alike
{every_with_ttl} AND due_at = :after AND files.id > :after_id
ORDER BY files.id LIMIT :limit

-- name: every_added
SELECT {file}, {kept}
FROM files JOIN directories ON directories.id = files.directory
WHERE files.id > :after_id AND files.scope = :scope
ORDER BY files.id LIMIT :limit

-- name: every_of_a_kind
SELECT {file}, {kept}
FROM files INDEXED BY files_by_kind JOIN directories ON directories.id = files.directory
WHERE kind = :kind AND files.scope = :scope AND files.id > :after_id
ORDER BY files.id LIMIT :limit

-- name: successors
SELECT {file}, {kept}
FROM files INDEXED BY files_by_origin JOIN directories ON directories.id = files.directory
WHERE files.scope = ? AND origin = ?
ORDER BY files.id DESC

-- name: kept_below
SELECT {file}, {kept}
FROM (
    SELECT id FROM directories WHERE scope = :scope AND path = :path
    UNION ALL
    SELECT id FROM directories WHERE scope = :scope AND path > :first AND path < :behind
) AS below CROSS JOIN files ON files.directory = below.id JOIN directories ON directories.id = files.directory
WHERE session <> 0 AND due_at > :asof OR EXISTS (
    SELECT 1 FROM keeps WHERE directory = files.directory AND keeps.name = files.name AND until > :asof
      AND (holder IS NULL OR holder NOT IN (SELECT value FROM json_each(:dead)))
) OR rule IN (SELECT value FROM json_each(:rules))
LIMIT 1

-- name: rules
SELECT rule, count(*) FROM files WHERE scope = :scope AND rule IS NOT NULL GROUP BY rule

-- name: beyond
SELECT {file}, {kept}
FROM files INDEXED BY files_without_end JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope AND rule = :rule AND due_at = 9e999
ORDER BY registered_at DESC, files.id DESC LIMIT :limit OFFSET :count

-- name: rulable
SELECT id FROM files
WHERE id IN (SELECT value FROM json_each(:ids)) AND scope = :scope AND session = 0
  AND (rule IS NOT NULL OR due_at IS NULL) AND {unclaimed}

-- name: rule
UPDATE files SET rule = ?, due_at = ? WHERE id = ?

-- name: keep_until
UPDATE files SET rule = ?, due_at = ?, tried = ?, failures = 0, retry_at = NULL, kept = NULL WHERE id = ?

-- name: groups
SELECT directories.path, tags, session, kind, records, bytes
FROM (
    SELECT directory, tags, session, kind, count(*) AS records, total(coalesce(disk, size)) AS bytes
    FROM files WHERE scope = :scope GROUP BY directory, tags, session, kind
    ORDER BY bytes DESC, records DESC LIMIT :limit
) AS found JOIN directories ON directories.id = found.directory
ORDER BY bytes DESC, records DESC, directories.path

-- name: every_failing
SELECT {file}, {kept}
FROM files INDEXED BY files_failing JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope AND failures > 0
  AND (retry_at < :after OR (retry_at = :after AND files.id < :after_id))
ORDER BY retry_at DESC, files.id DESC LIMIT :limit

-- name: every_oldest
SELECT {file}, {kept}
FROM files JOIN directories ON directories.id = files.directory
WHERE files.id IN (
    SELECT id FROM (
        SELECT id FROM files INDEXED BY files_by_age
        WHERE scope = :scope AND due_at IS NULL AND (registered_at, id) > (:after, :after_id)
        ORDER BY registered_at, id LIMIT :limit
    ) UNION ALL SELECT id FROM (
        SELECT id FROM files INDEXED BY files_with_ttl_by_age
        WHERE scope = :scope AND due_at IS NOT NULL AND (registered_at, id) > (:after, :after_id)
        ORDER BY registered_at, id LIMIT :limit
    )
) ORDER BY registered_at, files.id LIMIT :limit

-- name: scan_largest
SELECT id, -{room} AS value FROM files
WHERE scope = :scope AND {room} IS NOT NULL AND (-{room}, id) > (:after, :after_id)
ORDER BY value, id LIMIT :limit

-- name: scan_least_used
SELECT id, value FROM (
    SELECT id, value FROM (
        SELECT id, registered_at AS value FROM files INDEXED BY files_by_age
        WHERE scope = :scope AND due_at IS NULL AND (registered_at, id) > (:after, :after_id)
          AND NOT EXISTS (SELECT 1 FROM uses WHERE file = files.id)
        ORDER BY registered_at, id LIMIT :limit
    ) UNION ALL SELECT id, value FROM (
        SELECT id, registered_at AS value FROM files INDEXED BY files_with_ttl_by_age
        WHERE scope = :scope AND due_at IS NOT NULL AND (registered_at, id) > (:after, :after_id)
          AND NOT EXISTS (SELECT 1 FROM uses WHERE file = files.id)
        ORDER BY registered_at, id LIMIT :limit
    ) UNION ALL SELECT id, value FROM (
        SELECT id, used_at AS value FROM uses CROSS JOIN files ON files.id = uses.file
        WHERE scope = :scope AND (used_at, id) > (:after, :after_id)
        ORDER BY used_at, id LIMIT :limit
    )
) ORDER BY value, id LIMIT :limit

-- name: scan_oldest_tagged
SELECT id, registered_at AS value FROM files INDEXED BY files_by_tags
WHERE {tagged} AND (registered_at, id) > (:after, :after_id)
ORDER BY value, id LIMIT :limit

-- name: scan_largest_tagged
SELECT id, -{room} AS value FROM files INDEXED BY files_by_tags
WHERE {tagged} AND {room} IS NOT NULL AND (-{room}, id) > (:after, :after_id)
ORDER BY value, id LIMIT :limit

-- name: scan_least_used_tagged
SELECT id, coalesce(used_at, registered_at) AS value
FROM files INDEXED BY files_by_tags LEFT JOIN uses ON uses.file = files.id
WHERE {tagged} AND (coalesce(used_at, registered_at), id) > (:after, :after_id)
ORDER BY value, id LIMIT :limit

-- name: files
SELECT {file}, {kept}
FROM json_each(:ids) AS wanted CROSS JOIN files ON files.id = wanted.value
  JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope

-- name: due_among
SELECT {file}, NULL, 0, NULL
FROM json_each(:ids) AS wanted CROSS JOIN files ON files.id = wanted.value
  JOIN directories ON directories.id = files.directory
WHERE files.scope = :scope
  AND (retry_at IS NULL OR NOT :patient OR retry_at <= :asof OR retry_at > :asof + :last_retry)
  AND (:force OR CASE WHEN due_at IS NULL THEN :asof - registered_at > :max_age ELSE due_at <= :asof END)
  AND {due}

-- name: rooms
SELECT id, disk, size FROM files
WHERE id IN (SELECT value FROM json_each(:ids)) AND scope = :scope AND {unclaimed}

-- name: measure
UPDATE files SET disk = ? WHERE id = ?

-- name: use
INSERT INTO uses (file, used_at) VALUES (?, ?)
ON CONFLICT (file) DO UPDATE SET used_at = max(used_at, excluded.used_at)

-- name: any_claim
SELECT EXISTS (SELECT 1 FROM claimed), EXISTS (SELECT 1 FROM directories WHERE twin)

-- name: any_claim_or_keep
SELECT EXISTS (SELECT 1 FROM claimed), EXISTS (SELECT 1 FROM keeps), EXISTS (SELECT 1 FROM directories WHERE twin)

-- name: add_claim
INSERT INTO claims (id, scope, claimer, lapses_at, files) VALUES (:id, :scope, :claimer, :lapses_at, '[]')

-- name: add_range
INSERT INTO claimed (first, last, claim) VALUES (?, ?, ?)

-- name: claims
SELECT id, claimer, lapses_at FROM claims

-- name: ranges
SELECT first, last FROM claimed WHERE claim = :claim

-- name: claims_on
SELECT wanted.value, claims.id, claimer
FROM json_each(:ids) AS wanted
  JOIN claimed ON first = (SELECT max(first) FROM claimed WHERE first <= wanted.value) AND last >= wanted.value
  JOIN claims ON claims.id = claimed.claim

-- name: claimed_in
SELECT files.id FROM directories JOIN files ON files.directory = directories.id
WHERE directories.scope = :scope AND directories.inode = :inode AND directories.born = :born AND name = :name
  AND coalesce((SELECT last FROM claimed WHERE first <= files.id ORDER BY first DESC LIMIT 1), 0) >= files.id

-- name: twins
SELECT files.id, twin.id
FROM json_each(:ids) AS wanted JOIN files ON files.id = wanted.value
  JOIN directories ON directories.id = files.directory AND directories.twin
  JOIN directories AS other ON other.scope = directories.scope AND other.inode = directories.inode
    AND other.born = directories.born AND other.id <> directories.id
  JOIN files AS twin ON twin.directory = other.id AND twin.name = files.name

-- name: claimed_files
SELECT files.id, directories.path, files.name
FROM claims JOIN claimed ON claimed.claim = claims.id JOIN files ON files.id BETWEEN first AND last
  JOIN directories ON directories.id = files.directory
WHERE claims.scope = :scope

-- name: outlast
UPDATE claims SET lapses_at = :lapses_at WHERE id = :claim

-- name: drop_ranges
DELETE FROM claimed WHERE claim = ?

-- name: drop_claim
DELETE FROM claims WHERE id = ?

-- name: retire
DELETE FROM files WHERE id BETWEEN ? AND ?

-- name: put_off
UPDATE files SET tried = ?, failures = ?, retry_at = ?, kept = ? WHERE id = ?

-- name: renew
UPDATE files SET registered_at = ?, due_at = CASE WHEN session THEN due_at ELSE ? END, size = ?, inode = ?, born = ?,
    changed = ?, parent_inode = ?, parent_born = ?, volume = ?, disk = ?, tried = ?, failures = 0, retry_at = NULL,
    kept = NULL
WHERE id = ?

-- name: begin_session
INSERT INTO sessions (id, scope, name, owner, process, began_at, ends_at)
VALUES (:id, :scope, :name, :owner, :process, :began_at, :ends_at)

-- name: living_session
SELECT ends_at, owner IS NOT NULL OR process IS NOT NULL FROM sessions
WHERE id = :id AND scope = :scope AND ended_at IS NULL

-- name: sessions
SELECT id, name, owner, process, began_at, ends_at, ended_at FROM sessions
WHERE scope = :scope AND (
    ended_at IS NULL OR (:ended AND EXISTS (SELECT 1 FROM files WHERE session = sessions.id AND session <> 0))
)
ORDER BY id

-- name: renew_session
UPDATE sessions SET ends_at = :at WHERE id = :id

-- name: end_session
UPDATE sessions SET ended_at = :at WHERE id = :id

-- name: due_with_session
UPDATE files INDEXED BY files_by_session SET due_at = :at WHERE session = :id AND session <> 0

-- name: drop_sessions
DELETE FROM sessions
WHERE scope = :scope AND ended_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM files WHERE session = sessions.id AND session <> 0)

-- name: keep
INSERT INTO keeps (scope, directory, name, until, holder) VALUES (:scope, :directory, :name, :until, :holder)

-- name: unpin
DELETE FROM keeps WHERE directory = :directory AND name = :name AND holder IS NULL

-- name: any_keep
SELECT EXISTS (SELECT 1 FROM keeps)

-- name: unpin_files
DELETE FROM keeps WHERE id IN (
    SELECT keeps.id FROM files JOIN keeps ON keeps.directory = files.directory AND keeps.name = files.name
    WHERE files.id IN (SELECT value FROM json_each(:ids)) AND holder IS NULL
)

-- name: release
DELETE FROM keeps WHERE id = (
    SELECT min(keeps.id) FROM keeps JOIN directories ON directories.id = keeps.directory
    WHERE directories.scope = :scope AND directories.path = :path AND name = :name AND holder = :holder
)

-- name: holders
SELECT DISTINCT holder FROM keeps WHERE holder IS NOT NULL

-- name: drop_holder
DELETE FROM keeps WHERE holder = :holder
