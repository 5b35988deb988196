-- Every statement of the PostgreSQL registry, by name; %(name)s is bound by name, %(name)b in binary, which is faster.
-- A fragment stands for its text wherever its name is in braces, also in fragments that follow it.

-- name: scope
SELECT scopes.id, registry FROM tfm.scopes, tfm.version WHERE name = %(name)s

-- name: enter
SELECT * FROM tfm.enter(%(name)s, %(kind)s, %(process)s)
