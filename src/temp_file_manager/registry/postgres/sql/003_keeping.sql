-- Pins, holds, sessions, journals, and the owners that holds and sessions end with. As in 002: rows are locked first, then
-- the scope's lock is shared, and then claims are asked about.

CREATE UNIQUE INDEX keeps_pinned ON tfm.keeps (scope, path) WHERE holder IS NULL;
CREATE INDEX owners_by_scope ON tfm.owners (scope);

-- Who is within what only one may do at a time.
CREATE TABLE tfm.exclusives (
    scope integer NOT NULL REFERENCES tfm.scopes (id),
    name text NOT NULL,
    number bigint NOT NULL,  -- of this time: whoever has lapsed meanwhile leaves nothing of another's
    owner bigint NOT NULL,
    lapses_at float8 NOT NULL,  -- on the server's clock
    PRIMARY KEY (scope, name)
);

-- Say whether an owner lives: it has been seen within 120 s, by the server's clock alone.
CREATE FUNCTION tfm.lives(number bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, tfm
AS $$ SELECT EXISTS (SELECT FROM owners WHERE owners.id = number AND owners.seen_at > moment() - 120) $$;

-- See an owner; return for how many seconds nobody had, NULL if it was not known any more.
CREATE FUNCTION tfm.seen(number bigint, in_scope integer, process text)
RETURNS float8 LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
DECLARE
    before float8;
BEGIN
    SELECT owners.seen_at INTO before FROM owners WHERE owners.id = number;
    INSERT INTO owners (id, scope, seen_at, process) VALUES (number, in_scope, moment(), seen.process)
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at;
    RETURN moment() - before;
END $$;

-- See an owner, and what it is within.
CREATE FUNCTION tfm.renew(number bigint, in_scope integer, process text, within bigint[])
RETURNS float8 LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
BEGIN
    UPDATE exclusives SET lapses_at = moment() + 120
    WHERE exclusives.scope = in_scope AND exclusives.number = ANY (within);
    RETURN seen(renew.number, in_scope, renew.process);
END $$;

-- End what ends with an owner, which has said so itself.
CREATE FUNCTION tfm.leave(gone bigint) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
BEGIN
    DELETE FROM exclusives WHERE exclusives.owner = gone;
    DELETE FROM keeps WHERE keeps.holder = gone;
    UPDATE owners SET seen_at = '-Infinity' WHERE owners.id = gone;
END $$;

-- Be within what only one may; return the number of this time, NULL when somebody is.
CREATE FUNCTION tfm.enter_alone(in_scope integer, called text, by_owner bigint, process text)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
DECLARE
    given bigint;
BEGIN
    PERFORM seen(by_owner, in_scope, process);
    INSERT INTO exclusives (scope, name, number, owner, lapses_at)
    VALUES (in_scope, called, nextval('tfm.numbers'), by_owner, moment() + 120)
    ON CONFLICT (scope, name) DO UPDATE
    SET number = excluded.number, owner = excluded.owner, lapses_at = excluded.lapses_at
    WHERE exclusives.lapses_at <= moment()
    RETURNING exclusives.number INTO given;
    RETURN given;
END $$;

-- Give the totals of owners that are dead, or have not been seen for a while, to nobody, 0; forget owners that nothing
-- depends on. What one has held that is not seen it holds again when it comes back within the hour.
CREATE FUNCTION tfm.fold(in_scope integer) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
#variable_conflict use_column
DECLARE
    now CONSTANT float8 := moment();
    gone bigint[];
BEGIN
    WITH idle AS (
        SELECT ctid AS place FROM totals
        WHERE scope = in_scope AND owner <> 0
          AND NOT EXISTS (SELECT FROM owners WHERE owners.id = totals.owner AND seen_at > now - 120)
        FOR UPDATE SKIP LOCKED
    ), folded AS (
        DELETE FROM totals USING idle WHERE totals.ctid = idle.place RETURNING name, value
    )
    INSERT INTO totals (scope, owner, name, value)
    SELECT in_scope, 0, name, sum(value) FROM folded GROUP BY name ORDER BY name
    ON CONFLICT (scope, owner, name) DO UPDATE SET value = totals.value + excluded.value;

    WITH idle AS (
        SELECT ctid AS place FROM tagged
        WHERE scope = in_scope AND owner <> 0
          AND NOT EXISTS (SELECT FROM owners WHERE owners.id = tagged.owner AND seen_at > now - 120)
        FOR UPDATE SKIP LOCKED
    ), folded AS (
        DELETE FROM tagged USING idle WHERE tagged.ctid = idle.place RETURNING tags, records, bytes
    )
    INSERT INTO tagged (scope, owner, tags, records, bytes)
    SELECT in_scope, 0, tags, sum(records), sum(bytes) FROM folded GROUP BY tags ORDER BY tags
    ON CONFLICT (scope, owner, tags) DO UPDATE
    SET records = tagged.records + excluded.records, bytes = tagged.bytes + excluded.bytes;

    WITH dropped AS (
        DELETE FROM owners
        WHERE scope = in_scope AND seen_at <= now - 120
          AND (seen_at <= now - 3600 OR NOT EXISTS (SELECT FROM keeps WHERE holder = owners.id))
        RETURNING id
    )
    SELECT array_agg(id) INTO gone FROM dropped;
    DELETE FROM keeps WHERE holder = ANY (gone);
END $$;

-- Keep those of the paths that are on record, and return them; with a holder: for as long as that lives.
CREATE FUNCTION tfm.keep(in_scope integer, wanted bytea[], until float8, by_holder bigint, process text)
RETURNS SETOF bytea LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
DECLARE
    records bigint[];
    known bytea[];
BEGIN
    WITH there AS (
        SELECT files.id, files.path FROM files WHERE files.scope = in_scope AND files.path = ANY (wanted)
        ORDER BY files.path FOR KEY SHARE
    )
    SELECT array_agg(there.id), array_agg(there.path) INTO records, known FROM there;
    IF known IS NULL THEN
        RETURN;
    END IF;
    PERFORM refuse(in_scope, records, known);
    IF by_holder IS NULL THEN
        INSERT INTO keeps (scope, path, until)
        SELECT in_scope, k.path, keep.until FROM unnest(known) AS k (path) ORDER BY k.path
        ON CONFLICT (scope, path) WHERE holder IS NULL DO UPDATE SET until = excluded.until;
    ELSE
        PERFORM seen(by_holder, in_scope, process);
        INSERT INTO keeps (scope, path, until, holder)
        SELECT in_scope, w.path, keep.until, by_holder FROM unnest(wanted) AS w (path) WHERE w.path = ANY (known);
    END IF;
    RETURN QUERY SELECT unnest(known);
END $$;

-- End the pins of paths that are on record, or of this holder one hold for each time that a path is given. Return those
-- paths, and how many holds have ended.
CREATE FUNCTION tfm.release(in_scope integer, wanted bytea[], by_holder bigint)
RETURNS TABLE (known bytea[], ended bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
BEGIN
    ended := 0;
    SELECT coalesce(array_agg(files.path), '{}') INTO known
    FROM files WHERE files.scope = in_scope AND files.path = ANY (wanted);
    IF by_holder IS NULL THEN
        DELETE FROM keeps WHERE keeps.scope = in_scope AND keeps.path = ANY (known) AND keeps.holder IS NULL;
    ELSE
        WITH held AS (
            SELECT keeps.id, keeps.path, row_number() OVER (PARTITION BY keeps.path ORDER BY keeps.id) AS nth
            FROM keeps WHERE keeps.holder = by_holder AND keeps.scope = in_scope AND keeps.path = ANY (wanted)
        ), given AS (
            SELECT w.path, count(*) AS times FROM unnest(wanted) AS w (path) GROUP BY w.path
        ), over AS (
            DELETE FROM keeps USING held JOIN given ON given.path = held.path AND held.nth <= given.times
            WHERE keeps.id = held.id RETURNING keeps.id
        )
        SELECT count(*) INTO ended FROM over;
    END IF;
    RETURN NEXT;
END $$;

-- Write a line of a journal, of which so many stay, and add to counters.
CREATE FUNCTION tfm.note(
    in_scope integer, by_owner bigint, called text, moment float8, line text, kept integer, names text[], more float8[]
)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
BEGIN
    IF line IS NOT NULL THEN
        INSERT INTO notes (scope, journal, at, text) VALUES (in_scope, called, note.moment, line);
        DELETE FROM notes WHERE notes.id IN (  -- what is locked, another drops who has just written
            SELECT n.id FROM notes AS n WHERE n.scope = in_scope AND n.journal = called AND n.id <= (
                SELECT m.id FROM notes AS m WHERE m.scope = in_scope AND m.journal = called
                ORDER BY m.id DESC LIMIT 1 OFFSET kept
            ) FOR UPDATE SKIP LOCKED
        );
    END IF;
    PERFORM count_up(in_scope, by_owner, names, more);
END $$;

-- Forget sessions that have ended and have no records any more.
CREATE FUNCTION tfm.drop_sessions(in_scope integer) RETURNS void LANGUAGE sql SET search_path = pg_catalog, tfm AS $$
    DELETE FROM sessions
    WHERE sessions.scope = in_scope AND ended_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM files WHERE files.session = sessions.id AND files.session <> 0)
$$;

CREATE FUNCTION tfm.begin_session(
    in_scope integer, called text, by_owner bigint, identity text, at float8, until float8, process text
)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
DECLARE
    number bigint;
BEGIN
    PERFORM drop_sessions(in_scope);
    IF by_owner IS NOT NULL THEN
        PERFORM seen(by_owner, in_scope, begin_session.process);
    END IF;
    INSERT INTO sessions (scope, name, owner, process, began_at, ends_at)
    VALUES (in_scope, called, by_owner, identity, at, until) RETURNING sessions.id INTO number;
    RETURN number;
END $$;

-- Give a living session another end, and its records; say whether there is one, and whether it has an owner. One without
-- keeps its end where the other would be none.
CREATE FUNCTION tfm.renew_session(in_scope integer, number bigint, until float8)
RETURNS TABLE (known boolean, owned boolean) LANGUAGE plpgsql
SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
BEGIN
    SELECT true, s.owner IS NOT NULL OR s.process IS NOT NULL INTO known, owned FROM sessions AS s
    WHERE s.id = number AND s.scope = in_scope AND s.ended_at IS NULL FOR UPDATE;
    IF known AND (owned OR until < 'Infinity') THEN
        UPDATE sessions SET ends_at = until WHERE sessions.id = number;
        UPDATE files SET due_at = until WHERE files.session = number AND files.session <> 0;
    END IF;
    RETURN NEXT;
END $$;

-- End living sessions, and make due what is in them; with "over" only those whose time is up. Return how many records
-- there are, and which sessions were spared. Whoever is putting records into one shares its row until they are there.
CREATE FUNCTION tfm.end_sessions(in_scope integer, numbers bigint[], at float8, over boolean)
RETURNS TABLE (due bigint, spared bigint[])
LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
DECLARE
    living bigint[];
BEGIN
    due := 0;
    WITH those AS (
        SELECT s.id, s.ends_at FROM sessions AS s
        WHERE s.id = ANY (numbers) AND s.scope = in_scope AND s.ended_at IS NULL ORDER BY s.id FOR UPDATE
    )
    SELECT array_agg(those.id) FILTER (WHERE NOT over OR those.ends_at <= at),
        coalesce(array_agg(those.id) FILTER (WHERE over AND those.ends_at > at), '{}')
    INTO living, spared FROM those;
    IF living IS NOT NULL THEN
        UPDATE sessions SET ended_at = at WHERE sessions.id = ANY (living);
        UPDATE files SET due_at = at WHERE files.session = ANY (living) AND files.session <> 0;
        GET DIAGNOSTICS due = ROW_COUNT;
    END IF;
    PERFORM drop_sessions(in_scope);
    RETURN NEXT;
END $$;

-- Write what rules decide about records: what is not claimed, in no session, and has no end of its own. Return how many.
-- Nobody is waited for: of what somebody is changing, the next sweep looks at the rules again.
CREATE FUNCTION tfm.rule(in_scope integer, numbers bigint[], rules text[], ends float8[])
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
DECLARE
    free bigint[];
    claimed bigint[];
    done bigint;
BEGIN
    WITH those AS (
        SELECT files.id FROM files
        WHERE files.id = ANY (numbers) AND files.scope = in_scope AND files.session = 0
          AND (files.rule IS NOT NULL OR files.due_at IS NULL)
        ORDER BY files.path FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT array_agg(those.id) INTO free FROM those;
    IF free IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM share(in_scope);
    SELECT coalesce(array_agg(taken.id), '{}') INTO claimed
    FROM claims CROSS JOIN LATERAL unnest(claims.files) AS taken (id)
    WHERE claims.scope = in_scope AND taken.id = ANY (free);
    UPDATE files SET rule = n.rule, due_at = n.due_at FROM unnest(numbers, rules, ends) AS n (id, rule, due_at)
    WHERE files.id = n.id AND n.id = ANY (free) AND NOT n.id = ANY (claimed);
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$;

-- The counts that are kept and do not fit, beside what counting gives: of a scope, or of the records with the same tags.
CREATE FUNCTION tfm.miscounts(in_scope integer)
RETURNS TABLE (name text, tags text, told float8, counted float8)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, tfm AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH every AS (
        SELECT files.tags, count(*)::float8 AS records, coalesce(sum(coalesce(disk, size)), 0)::float8 AS bytes
        FROM files WHERE scope = in_scope GROUP BY files.tags
    ), found AS (
        SELECT 'records' AS name, NULL::text AS tags, coalesce(sum(records), 0) AS value FROM every
        UNION ALL SELECT 'bytes', NULL::text, coalesce(sum(bytes), 0) FROM every
        UNION ALL SELECT 'records', every.tags, records FROM every WHERE every.tags IS NOT NULL
        UNION ALL SELECT 'bytes', every.tags, bytes FROM every WHERE every.tags IS NOT NULL
    ), kept AS (
        SELECT totals.name, NULL::text AS tags, sum(value) AS value FROM totals
        WHERE scope = in_scope AND totals.name IN ('records', 'bytes') GROUP BY totals.name
        UNION ALL SELECT 'records', tagged.tags, sum(records) FROM tagged WHERE scope = in_scope GROUP BY tagged.tags
        UNION ALL SELECT 'bytes', tagged.tags, sum(bytes) FROM tagged WHERE scope = in_scope GROUP BY tagged.tags
    )
    SELECT coalesce(found.name, kept.name), coalesce(found.tags, kept.tags),
        coalesce(kept.value, 0), coalesce(found.value, 0)
    FROM found FULL JOIN kept ON kept.name = found.name AND coalesce(kept.tags, '') = coalesce(found.tags, '')
    WHERE coalesce(kept.value, 0) <> coalesce(found.value, 0);
END $$;

-- Put right the counts that do not fit: by the difference, as others go on counting meanwhile.
CREATE FUNCTION tfm.recount(in_scope integer) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
BEGIN
    WITH wrong AS MATERIALIZED (
        SELECT w.name, w.tags, w.counted - w.told AS more FROM miscounts(in_scope) AS w
    ), right_tags AS (
        INSERT INTO tagged (scope, owner, tags, records, bytes)
        SELECT in_scope, 0, wrong.tags, coalesce(sum(more) FILTER (WHERE wrong.name = 'records'), 0),
            coalesce(sum(more) FILTER (WHERE wrong.name = 'bytes'), 0)
        FROM wrong WHERE wrong.tags IS NOT NULL GROUP BY wrong.tags ORDER BY wrong.tags
        ON CONFLICT (scope, owner, tags) DO UPDATE
        SET records = tagged.records + excluded.records, bytes = tagged.bytes + excluded.bytes
    )
    INSERT INTO totals (scope, owner, name, value)
    SELECT in_scope, 0, wrong.name, more FROM wrong WHERE wrong.tags IS NULL ORDER BY wrong.name
    ON CONFLICT (scope, owner, name) DO UPDATE SET value = totals.value + excluded.value;
END $$;
