-- Statements about pins, holds, journals, sessions, natures and owners; see statements.sql.

-- name: renew_owner
SELECT tfm.renew(%(owner)s, %(scope)s, %(process)s, %(within)b)

-- name: leave
SELECT tfm.leave(%(owner)s)

-- name: enter_alone
SELECT tfm.enter_alone(%(scope)s, %(name)s, %(owner)s, %(process)s)

-- name: leave_alone
DELETE FROM tfm.exclusives WHERE scope = %(scope)s AND name = %(name)s AND number = %(number)s

-- name: fold
SELECT tfm.fold(%(scope)s)

-- name: keep
SELECT tfm.keep(%(scope)s, %(paths)b, %(until)s, %(holder)s, %(process)s)

-- name: release
SELECT known, ended FROM tfm.release(%(scope)s, %(paths)b, %(holder)s)

-- name: note
SELECT tfm.note(%(scope)s, %(owner)s, %(journal)s, %(at)s, %(line)s, %(keep)s, %(names)b, %(more)b)

-- name: notes
SELECT at, text FROM tfm.notes
WHERE scope = %(scope)s AND journal = %(journal)s AND at >= %(since)s
ORDER BY id DESC LIMIT %(limit)s

-- name: begin_session
SELECT tfm.begin_session(
    %(scope)s, %(name)s, %(by_owner)s, %(identity)s, %(at)s, %(until)s, %(process)s
)

-- name: renew_session
SELECT known, owned FROM tfm.renew_session(%(scope)s, %(number)s, %(until)s)

-- name: end_sessions
SELECT due, spared FROM tfm.end_sessions(%(scope)s, %(numbers)b, %(at)s, %(over)s)

-- name: sessions
SELECT id, name, owner, process, began_at, ends_at, ended_at, CASE WHEN owner IS NOT NULL THEN tfm.lives(owner) END
FROM tfm.sessions
WHERE scope = %(scope)s AND (
    ended_at IS NULL
    OR (%(ended)s AND EXISTS (SELECT FROM tfm.files WHERE files.session = sessions.id AND files.session <> 0))
)
ORDER BY id

-- name: rule
SELECT tfm.rule(%(scope)s, %(numbers)b, %(rules)b, %(ends)b)

-- name: rules
SELECT rule, count(*) FROM tfm.files WHERE scope = %(scope)s AND rule IS NOT NULL GROUP BY rule

-- name: beyond
SELECT {file}, {kept} FROM tfm.files
WHERE files.scope = %(scope)s AND files.rule = %(rule)s AND files.due_at = 'Infinity'
ORDER BY registered_at DESC, id DESC LIMIT %(limit)s OFFSET %(count)s

-- name: successors
SELECT {file}, {kept} FROM tfm.files
WHERE files.scope = %(scope)s AND files.origin = ANY (%(origins)b) AND files.origin IS NOT NULL
ORDER BY id DESC

-- name: kept_below
SELECT {file}, {kept} FROM tfm.files
WHERE files.scope = %(scope)s AND files.path > %(first)b AND files.path < %(behind)b
  AND (
    files.session <> 0 AND files.due_at > %(asof)s
    OR EXISTS (
      SELECT FROM tfm.keeps WHERE keeps.scope = files.scope AND keeps.path = files.path AND keeps.until > %(asof)s
        AND (keeps.holder IS NULL OR tfm.lives(keeps.holder))
    )
    OR files.rule = ANY (%(rules)s::text[])
  )
LIMIT 1

-- name: dead_holds
SELECT path, count(*) FROM tfm.keeps WHERE scope = %(scope)s AND holder IS NOT NULL AND NOT tfm.lives(holder)
GROUP BY path ORDER BY path

-- name: dead_sessions
SELECT id, name FROM tfm.sessions
WHERE scope = %(scope)s AND owner IS NOT NULL AND ended_at IS NULL AND NOT tfm.lives(owner) ORDER BY id

-- name: miscounts
SELECT name, tags, told, counted FROM tfm.miscounts(%(scope)s) ORDER BY name, tags

-- name: recount
SELECT tfm.recount(%(scope)s)

-- name: drop_holds
DELETE FROM tfm.keeps WHERE scope = %(scope)s AND holder IS NOT NULL AND NOT tfm.lives(holder)

-- name: end_dead_sessions
SELECT tfm.end_sessions(%(scope)s, %(numbers)b::bigint[], tfm.moment(), false)
