-- Paths are bytes: file names are. Moments are seconds since the epoch, as the registry is given them; those of leases
-- and owners are on the server's clock, which tfm.moment() tells.

CREATE SCHEMA IF NOT EXISTS tfm;

CREATE TABLE tfm.version (
    schema integer NOT NULL,  -- how many migrations this database has seen
    registry text NOT NULL  -- tells this database's numbers from those of another
);
INSERT INTO tfm.version VALUES (0, substr(md5(random()::text || clock_timestamp()::text), 1, 12));

CREATE FUNCTION tfm.moment() RETURNS float8 LANGUAGE sql VOLATILE SET search_path = pg_catalog
AS $$ SELECT extract(epoch FROM clock_timestamp())::float8 $$;

-- Everything that needs an order takes the next: records, claims, owners, sessions, failures.
CREATE SEQUENCE tfm.numbers;

CREATE TABLE tfm.scopes (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,  -- local:MACHINE:BASE, or volume:NAME
    kind text NOT NULL,  -- local or volume
    marker text,  -- what the marker file in a volume's root says
    team text NOT NULL DEFAULT '',
    settlements bigint NOT NULL DEFAULT 0  -- how many claims have ended
);

CREATE TABLE tfm.files (
    id bigint PRIMARY KEY DEFAULT nextval('tfm.numbers'),  -- the record's generation
    scope integer NOT NULL,  -- refers to scopes without a constraint, which would be asked once for each file
    owner bigint NOT NULL,  -- which registry object added it; 0: nobody
    path bytea NOT NULL,  -- of a volume: below its root
    registered_at float8 NOT NULL,
    due_at float8,
    retry_at float8,
    tried bigint NOT NULL DEFAULT 0,  -- the number of the last attempt that left it here
    failures integer NOT NULL DEFAULT 0,
    kept text,  -- why the last sweep kept it, if every other will
    size bigint,
    disk bigint,
    used_at float8,
    identity bytea,  -- six numbers of eight bytes; see Identity
    tags text,  -- a JSON array: a tag may hold what no text of a database can; NULL: none
    lapses smallint NOT NULL DEFAULT 0,  -- how many claims on it have lapsed since it was registered
    session bigint NOT NULL DEFAULT 0,
    rule text,
    kind text,
    origin bytea,
    UNIQUE (scope, path)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX files_by_age ON tfm.files (scope, registered_at, id) WHERE due_at IS NULL;
CREATE INDEX files_by_due ON tfm.files (scope, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX files_with_ttl_by_age ON tfm.files (scope, registered_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX files_by_tags ON tfm.files (scope, tags) WHERE tags IS NOT NULL;
CREATE INDEX files_by_retry ON tfm.files (scope, retry_at, id) WHERE retry_at IS NOT NULL;
CREATE INDEX files_by_session ON tfm.files (session) WHERE session <> 0;
CREATE INDEX files_by_origin ON tfm.files (scope, origin) WHERE origin IS NOT NULL;
CREATE INDEX files_by_kind ON tfm.files (kind, scope) WHERE kind IS NOT NULL;
CREATE INDEX files_without_end ON tfm.files (scope, rule, registered_at) WHERE due_at = 'Infinity' AND rule IS NOT NULL;

-- A claim of a thousand is one row, not a mark in a thousand.
CREATE TABLE tfm.claims (
    id bigint PRIMARY KEY,  -- chosen at random by whoever claims, who so knows it before it is there
    scope integer NOT NULL,
    claimer bigint NOT NULL,  -- an owner
    lapses_at float8 NOT NULL,  -- as whoever claims says; infinite: with its owner
    files bigint[] NOT NULL,
    places tid[] NOT NULL  -- where the files were; none once a part of the claim has been settled
) WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX claims_by_scope ON tfm.claims (scope);

-- Registry objects, one a process start: what is held and which sessions live ends with them.
CREATE TABLE tfm.owners (
    id bigint PRIMARY KEY DEFAULT nextval('tfm.numbers'),
    scope integer NOT NULL REFERENCES tfm.scopes (id),
    seen_at float8 NOT NULL,  -- on the server's clock; renewed every 20 s while it holds anything, over after 120
    process text NOT NULL  -- host and number, for people
);

-- Pins and holds. They belong to a path, not to a record.
CREATE TABLE tfm.keeps (
    id bigint PRIMARY KEY DEFAULT nextval('tfm.numbers'),
    scope integer NOT NULL REFERENCES tfm.scopes (id),
    path bytea NOT NULL,
    until float8 NOT NULL,
    holder bigint  -- an owner; NULL: a pin
);
CREATE INDEX keeps_by_path ON tfm.keeps (scope, path);
CREATE INDEX keeps_by_holder ON tfm.keeps (holder) WHERE holder IS NOT NULL;

-- A row an owner: one row a scope, which everybody writes to, halves what eight processes get done.
CREATE TABLE tfm.totals (
    scope integer NOT NULL REFERENCES tfm.scopes (id),
    owner bigint NOT NULL,
    name text NOT NULL,
    value float8 NOT NULL,
    PRIMARY KEY (scope, owner, name)
) WITH (fillfactor = 50);

-- What the records of each set of tags are, and take; as rare as tags.
CREATE TABLE tfm.tagged (
    scope integer NOT NULL REFERENCES tfm.scopes (id),
    owner bigint NOT NULL,
    tags text NOT NULL,
    records float8 NOT NULL,
    bytes float8 NOT NULL,
    PRIMARY KEY (scope, owner, tags)
);

CREATE TABLE tfm.notes (
    id bigint PRIMARY KEY DEFAULT nextval('tfm.numbers'),
    scope integer NOT NULL REFERENCES tfm.scopes (id),
    journal text NOT NULL,
    at float8 NOT NULL,
    text text NOT NULL
);
CREATE INDEX notes_by_journal ON tfm.notes (scope, journal, id);

CREATE TABLE tfm.sessions (
    id bigint PRIMARY KEY DEFAULT nextval('tfm.numbers'),
    scope integer NOT NULL REFERENCES tfm.scopes (id),
    name text NOT NULL,
    owner bigint,  -- an owner, which lives or not; NULL: none is asked
    process text,  -- which process owns it, as a JSON object, or NULL
    began_at float8 NOT NULL,
    ends_at float8 NOT NULL,
    ended_at float8  -- NULL: it lives
);
CREATE INDEX sessions_by_scope ON tfm.sessions (scope);

CREATE FUNCTION tfm.enter(called text, sort text, process text)
RETURNS TABLE (scope integer, owner bigint, registry text) LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO scopes (name, kind) VALUES (called, sort) ON CONFLICT (name) DO NOTHING;
    RETURN QUERY
    WITH entered AS (
        INSERT INTO owners (scope, seen_at, process)
        SELECT scopes.id, moment(), enter.process FROM scopes WHERE scopes.name = called RETURNING *
    )
    SELECT entered.scope, entered.id, version.registry FROM entered, version;
END $$;
