-- Every statement of the PostgreSQL registry, by name; %(name)s is bound by name, %(name)b in binary, which is faster.
-- A fragment stands for its text wherever its name is in braces, also in fragments that follow it.

-- fragment: file
files.id, files.path, files.registered_at, files.due_at, files.retry_at, files.failures, files.size, files.tags, files.kept,
    files.identity, files.disk, files.session, files.rule, files.kind, files.origin

-- fragment: kept
(SELECT max(until) FROM tfm.keeps WHERE keeps.scope = files.scope AND keeps.path = files.path AND holder IS NULL),
    EXISTS (SELECT FROM tfm.keeps WHERE keeps.scope = files.scope AND keeps.path = files.path AND holder IS NOT NULL),
    files.used_at

-- fragment: room
coalesce(files.disk, files.size)

-- fragment: selection
%(asof)b::float8, %(max_age)b::float8, %(force)b, %(patient)b, %(last_retry)b::float8, %(mine)b, %(session)s,
    %(only)b, %(began)s, %(latest)b::float8,
    %(aged)b::float8, %(aged_id)s, %(timed)b::float8, %(timed_id)s, %(retried)b::float8, %(retried_id)s, %(last)s

-- fragment: settlement
tfm.settle(
    %(scope)s, %(owner)s, %(claim)s, %(done)s, %(stay)b, %(removed)b, %(released)b, %(hung)b,
    %(put_off)b, %(failed)b, %(retries)b, %(causes)b,
    %(ruled)b, %(rules)b, %(ends)b,
    %(renewed)b, %(since)b, %(renewed_ends)b, %(sizes)b, %(identities)b, %(disks)b, %(again)b,
    %(names)b, %(more)b
)

-- fragment: claim
tfm.claim(
    %(scope)s, %(owner)s, settled, %(number)s, %(process)s, %(now)b::float8, %(lapses_at)b::float8, %(looks_back)b,
    {selection}, %(limit)s
)

-- name: scope
SELECT scopes.id, registry FROM tfm.scopes, tfm.version WHERE name = %(name)s

-- name: enter
SELECT * FROM tfm.enter(%(name)s, %(kind)s, %(process)s)

-- name: add
SELECT tfm.add(
    %(scope)s, %(owner)s, %(paths)b, %(times)b, %(ends)b, %(sizes)b, %(tags)b, %(identities)b, %(disks)b,
    %(rules)b, %(kinds)b, %(origins)b, %(owners)b, %(sessions)b, %(session)s, %(only_new)b, %(registrations)s,
    %(pending)b, %(looked)s
)

-- name: look
SELECT tfm.look(%(scope)s, %(paths)b)

-- name: amend
SELECT tfm.amend(%(scope)s, %(path)b, %(at)b::float8)

-- name: forget
SELECT tfm.forget(%(scope)s, %(owner)s, %(paths)b, %(numbers)b, %(leave_pins)b)

-- name: replaced
SELECT * FROM tfm.forget_all(%(scope)s, %(owner)s, %(paths)b)

-- name: get
SELECT {file}, {kept} FROM tfm.files WHERE files.scope = %(scope)s AND files.path = ANY (%(paths)b)

-- name: claimed
SELECT files.path, claims.id, claims.claimer
FROM tfm.claims CROSS JOIN LATERAL unnest(claims.files) AS taken (id) JOIN tfm.files ON files.id = taken.id
WHERE claims.scope = %(scope)s AND files.scope = %(scope)s AND files.path = ANY (%(paths)b)
    AND claims.lapses_at > %(now)b::float8 AND tfm.lives(claims.claimer)

-- name: claims
SELECT id, claimer, lapses_at <= %(now)b::float8 OR NOT tfm.lives(claimer) FROM tfm.claims WHERE scope = %(scope)s

-- name: end_claims
SELECT tfm.end_claims(%(scope)s, '-Infinity', %(over)b)

-- name: claim
SELECT claimed.* FROM (SELECT NULL::bigint AS settled) AS before, LATERAL {claim} AS claimed

-- name: settle_and_claim
SELECT claimed.* FROM {settlement} AS settled, LATERAL {claim} AS claimed

-- name: settle
SELECT {settlement}, set_config('synchronous_commit', 'off', true)

-- name: due
SELECT {file} FROM (SELECT last_value AS began FROM tfm.numbers) AS numbers, LATERAL tfm.due(
    %(scope)s, %(owner)s, %(asof)b::float8, %(max_age)b::float8, %(force)b, %(patient)b, %(last_retry)b::float8, %(mine)b,
    %(session)s, %(only)b, coalesce(%(began)s, numbers.began), %(latest)b::float8,
    %(aged)b::float8, %(aged_id)s, %(timed)b::float8, %(timed_id)s, %(retried)b::float8, %(retried_id)s, %(last)s,
    (
        SELECT array_agg(taken.id) FROM tfm.claims CROSS JOIN LATERAL unnest(claims.files) AS taken (id)
        WHERE claims.scope = %(scope)s AND claims.lapses_at > %(now)b::float8 AND claims.id <> ALL (%(over)b)
    ),
    %(limit)s
) WITH ORDINALITY AS found (place, id, lapses, nth) JOIN tfm.files ON files.ctid = found.place
ORDER BY found.nth

-- name: registry
SELECT registry FROM tfm.version

-- name: number
SELECT last_value FROM tfm.numbers

-- name: every_by_age
SELECT {file}, {kept} FROM tfm.files
WHERE files.scope = %(scope)s AND due_at IS NULL AND (registered_at, id) > (%(after)b::float8, %(after_id)s)
ORDER BY registered_at, id LIMIT %(limit)s

-- name: every_by_due
SELECT {file}, {kept} FROM tfm.files
WHERE files.scope = %(scope)s AND due_at IS NOT NULL AND (due_at, id) > (%(after)b::float8, %(after_id)s)
ORDER BY due_at, id LIMIT %(limit)s

-- name: every_added
SELECT {file}, {kept} FROM tfm.files
WHERE files.id > %(after_id)s AND files.scope = %(scope)s
ORDER BY id LIMIT %(limit)s

-- name: every_of_a_kind
SELECT {file}, {kept} FROM tfm.files
WHERE kind = %(kind)s AND files.scope = %(scope)s AND files.id > %(after_id)s
ORDER BY id LIMIT %(limit)s

-- name: every_failing
SELECT {file}, {kept} FROM tfm.files
WHERE files.scope = %(scope)s AND retry_at IS NOT NULL AND failures > 0
    AND (retry_at, id) < (%(after)b::float8, %(after_id)s)
ORDER BY retry_at DESC, id DESC LIMIT %(limit)s

-- name: every_oldest
SELECT * FROM (
    (
        SELECT {file}, {kept} FROM tfm.files
        WHERE files.scope = %(scope)s AND due_at IS NULL AND (registered_at, id) > (%(after)b::float8, %(after_id)s)
        ORDER BY registered_at, id LIMIT %(limit)s
    ) UNION ALL (
        SELECT {file}, {kept} FROM tfm.files
        WHERE files.scope = %(scope)s AND due_at IS NOT NULL AND (registered_at, id) > (%(after)b::float8, %(after_id)s)
        ORDER BY registered_at, id LIMIT %(limit)s
    )
) AS found ORDER BY registered_at, id LIMIT %(limit)s

-- name: scan_largest
SELECT id, -{room} AS value FROM tfm.files
WHERE scope = %(scope)s AND {room} IS NOT NULL AND (-{room}, id) > (%(after)s::bigint, %(after_id)s)
ORDER BY value, id LIMIT %(limit)s

-- name: scan_least_used
SELECT id, coalesce(used_at, registered_at) AS value FROM tfm.files
WHERE scope = %(scope)s AND (coalesce(used_at, registered_at), id) > (%(after)b::float8, %(after_id)s)
ORDER BY value, id LIMIT %(limit)s

-- name: scan_oldest_tagged
SELECT id, registered_at AS value FROM tfm.files
WHERE scope = %(scope)s AND tags = ANY (%(tags)b) AND (registered_at, id) > (%(after)b::float8, %(after_id)s)
ORDER BY value, id LIMIT %(limit)s

-- name: scan_largest_tagged
SELECT id, -{room} AS value FROM tfm.files
WHERE scope = %(scope)s AND tags = ANY (%(tags)b) AND {room} IS NOT NULL
    AND (-{room}, id) > (%(after)s::bigint, %(after_id)s)
ORDER BY value, id LIMIT %(limit)s

-- name: scan_least_used_tagged
SELECT id, coalesce(used_at, registered_at) AS value FROM tfm.files
WHERE scope = %(scope)s AND tags = ANY (%(tags)b)
    AND (coalesce(used_at, registered_at), id) > (%(after)b::float8, %(after_id)s)
ORDER BY value, id LIMIT %(limit)s

-- name: files
SELECT {file}, {kept} FROM tfm.files WHERE files.id = ANY (%(ids)b) AND files.scope = %(scope)s

-- name: measure
SELECT tfm.measure(%(scope)s, %(owner)s, %(ids)b, %(disks)b, %(uses)b)

-- name: tagged
SELECT tags, sum(records), sum(bytes) FROM tfm.tagged WHERE scope = %(scope)s GROUP BY tags

-- name: stats
SELECT name, sum(value) FROM tfm.totals WHERE scope = %(scope)s GROUP BY name

-- name: groups
SELECT directory, tags, session, kind, records, bytes FROM (
    SELECT decode(regexp_replace(encode(path, 'escape'), '(^|/)[^/]*$', ''), 'escape') AS directory, tags, session, kind,
        count(*) AS records, coalesce(sum({room}), 0)::bigint AS bytes
    FROM tfm.files WHERE scope = %(scope)s GROUP BY 1, 2, 3, 4
) AS found ORDER BY bytes DESC, records DESC, directory LIMIT %(limit)s

-- name: forecast
SELECT width, count(*), sum(room)::float8 FROM (
    SELECT (
        SELECT count(*) FROM unnest(%(bounds)b) AS bound WHERE NOT ends <= %(asof)b::float8 + bound
    ) AS width, room
    FROM (
        SELECT {room}::float8 AS room, greatest(coalesce(due_at, registered_at + %(max_age)b::float8), kept.until) AS ends
        FROM tfm.files LEFT JOIN (
            SELECT path, max(until) AS until FROM tfm.keeps WHERE scope = %(scope)s GROUP BY path
        ) AS kept USING (path)
        WHERE scope = %(scope)s
    ) AS files
) AS found GROUP BY width
