-- Statements about volumes that hosts share.

-- name: marker
SELECT coalesce(marker, '') FROM tfm.scopes WHERE id = %(scope)s

-- name: mark
UPDATE tfm.scopes SET marker = coalesce(marker, %(marker)s) WHERE id = %(scope)s RETURNING marker

-- name: scopes
SELECT scopes.name, coalesce(scopes.marker, ''), coalesce(sum(totals.value), 0)::bigint
FROM tfm.scopes LEFT JOIN tfm.totals ON totals.scope = scopes.id AND totals.name = 'records'
GROUP BY scopes.id ORDER BY scopes.name
