-- Statements about the fleet; as in statements.sql.

-- fragment: host
scope, host, team, records, bytes, overdue, failures, max_age, health, version, policy,
tfm.moment() - swept_at, tfm.moment() - seen_at, reported_by::text

-- fragment: policy
target, max_age, max_bytes, max_files, paused, set_by::text, set_at

-- name: report
SELECT {policy} FROM tfm.fleet_report(
    %(scope)s, %(host)s, %(team)s, %(records)s, %(bytes)s::bigint, %(overdue)s, %(failures)s, %(max_age)s, %(health)s,
    %(version)s, %(policy)s, %(swept_ago)s
)

-- name: leave
SELECT tfm.fleet_leave(%(scope)s, %(host)s)

-- name: hosts_by_overdue
SELECT {host} FROM tfm.hosts ORDER BY overdue DESC, bytes DESC NULLS LAST, scope, host LIMIT %(limit)s

-- name: hosts_by_bytes
SELECT {host} FROM tfm.hosts ORDER BY bytes DESC NULLS LAST, overdue DESC, scope, host LIMIT %(limit)s

-- name: hosts_missing
SELECT {host} FROM tfm.hosts WHERE seen_at < tfm.moment() - %(seen)s ORDER BY seen_at, scope, host LIMIT %(limit)s

-- name: fleet_totals
SELECT
    (SELECT count(*) FROM tfm.hosts),
    (SELECT count(*) FROM tfm.hosts WHERE seen_at < tfm.moment() - %(seen)s),
    count(*), coalesce(sum(records), 0)::bigint, coalesce(sum(bytes), 0)::bigint, count(*) FILTER (WHERE overdue > 0)
FROM (SELECT DISTINCT ON (scope) records, bytes, overdue FROM tfm.hosts ORDER BY scope, seen_at DESC) AS latest

-- name: policies
SELECT {policy} FROM tfm.policies ORDER BY target

-- name: set_policy
SELECT {policy} FROM tfm.set_policy(
    %(target)s, %(max_age)s, %(max_bytes)s::bigint, %(max_files)s::bigint, %(paused)s
)

-- name: clear_policy
SELECT tfm.clear_policy(%(target)s)

-- name: policy_journal
SELECT at, target, changed_by::text, policy FROM tfm.policy_journal ORDER BY id DESC LIMIT %(limit)s

-- name: backlog
SELECT tfm.backlog(%(scope)s)
