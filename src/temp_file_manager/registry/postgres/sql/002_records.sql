-- Records and claims. Whoever changes known records locks their rows first, then takes the scope's lock, shared, and then
-- asks whether a claim is on them; whoever claims has that lock alone, and locks no row. So a claim in the making is seen.
-- Each function reads what it asks last in a statement of its own, which sees what was committed by then.
--
-- What finds records by an index says so (enable_seqscan), and is never compiled: beside millions of records the planner
-- expects so much that compiling took five times as long as the chunk itself (jit).
--
-- Errors: TFM01 records are claimed; TFM02 claims have ended since a look; TFM03 the session does not live.

-- The lock of those who claim in a scope. Those who change known records share it.
CREATE FUNCTION tfm.share(scope integer) RETURNS void LANGUAGE sql SET search_path = pg_catalog
AS $$ SELECT pg_advisory_xact_lock_shared(7628397, scope) $$;

CREATE FUNCTION tfm.count_up(in_scope integer, by_owner bigint, names text[], more float8[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
BEGIN
    INSERT INTO totals (scope, owner, name, value)
    SELECT in_scope, by_owner, n.name, n.more FROM unnest(names, more) AS n (name, more) WHERE n.more <> 0 ORDER BY n.name
    ON CONFLICT (scope, owner, name) DO UPDATE SET value = totals.value + excluded.value;
END $$;

CREATE FUNCTION tfm.count_tagged(in_scope integer, by_owner bigint, words text[], rooms float8[], sign integer)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
BEGIN
    INSERT INTO tagged (scope, owner, tags, records, bytes)
    SELECT in_scope, by_owner, n.tags, sign * count(*), sign * coalesce(sum(n.room), 0)
    FROM unnest(words, rooms) AS n (tags, room) GROUP BY n.tags ORDER BY n.tags
    ON CONFLICT (scope, owner, tags) DO UPDATE
    SET records = tagged.records + excluded.records, bytes = tagged.bytes + excluded.bytes;
END $$;

-- Refuse to change records that are claimed: ids, whose rows are locked, with their paths.
CREATE FUNCTION tfm.refuse(in_scope integer, records bigint[], paths bytea[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
DECLARE
    claimed text;
BEGIN
    IF cardinality(records) = 0 OR records IS NULL THEN
        RETURN;
    END IF;
    PERFORM share(in_scope);
    IF EXISTS (SELECT FROM claims WHERE claims.scope = in_scope) THEN
        SELECT json_agg(json_build_array(encode(n.path, 'hex'), c.id, c.claimer, lives(c.claimer))) INTO claimed
        FROM claims AS c CROSS JOIN LATERAL unnest(c.files) AS taken (id)
        JOIN unnest(records, paths) AS n (id, path) ON n.id = taken.id
        WHERE c.scope = in_scope;
        IF claimed IS NOT NULL THEN
            RAISE EXCEPTION 'a sweep is at work on these records' USING ERRCODE = 'TFM01', DETAIL = claimed;
        END IF;
    END IF;
END $$;

-- Take the lock under which nothing is claimed, refuse what is; return how many claims have ended.
CREATE FUNCTION tfm.look(in_scope integer, wanted bytea[])
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
DECLARE
    records bigint[];
    paths bytea[];
    ended bigint;
BEGIN
    PERFORM share(in_scope);
    IF wanted IS NOT NULL THEN
        SELECT array_agg(files.id), array_agg(files.path) INTO records, paths
        FROM files WHERE files.scope = in_scope AND files.path = ANY (wanted);
        PERFORM refuse(in_scope, records, paths);
    END IF;
    SELECT settlements INTO ended FROM scopes WHERE scopes.id = in_scope;
    RETURN ended;
END $$;

-- Put files on record; return how many claims have ended. A path that is known starts anew.
CREATE FUNCTION tfm.add(
    in_scope integer,
    by_owner bigint,
    paths bytea[],
    times float8[],
    ends float8[],
    sizes bigint[],
    words text[],
    identities bytea[],
    disks bigint[],
    rules text[],
    kinds text[],
    origins bytea[],
    owners bigint[],  -- NULL: as by_owner and the kinds say
    sessions bigint[],
    in_session bigint,  -- of all, whose end is theirs; 0: as sessions says
    only_new boolean,
    registrations integer,  -- NULL: to be counted here
    pending bytea,  -- the identity of what is no registration yet
    looked bigint  -- how many claims had ended when somebody looked; NULL: nobody has
)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    wanted CONSTANT integer := cardinality(paths);
    numbers bigint[];
    new_words text[];
    new_rooms float8[];
    old_words text[];
    old_rooms float8[];
    known bigint[];
    known_paths bytea[];
    done integer;
    new integer := 0;
    larger float8 := 0;
    old_room float8;
    more_room float8;
    counted integer := 0;
    more_counted integer;
    met integer := 0;
    ended bigint;
    session_end float8;
BEGIN
    IF in_session <> 0 THEN
        SELECT ends_at INTO session_end FROM sessions
        WHERE id = in_session AND sessions.scope = in_scope AND ended_at IS NULL FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no such living session' USING ERRCODE = 'TFM03';
        END IF;
    END IF;
    -- In the order in which they were given, which is not that in which they are written.
    SELECT array_agg(nextval('tfm.numbers')) INTO numbers FROM generate_series(1, wanted);
    LOOP
        WITH added AS (
            INSERT INTO files (
                id, scope, owner, path, registered_at, due_at, size, tags, identity, disk, session, rule, kind, origin
            )
            SELECT n.id, in_scope,
                CASE WHEN n.kind IS NULL OR n.owner IS NOT NULL THEN coalesce(n.owner, by_owner)
                     ELSE owner_of(in_scope, by_owner, n.kind, n.origin) END,
                n.path, n.registered_at, CASE WHEN in_session <> 0 THEN session_end ELSE n.due_at END, n.size, n.tags,
                n.identity, n.disk, coalesce(n.session, in_session), CASE WHEN in_session = 0 THEN n.rule END, n.kind,
                n.origin
            FROM unnest(
                numbers, paths, times, ends, sizes, words, identities, disks, rules, kinds, origins, owners, sessions
            ) AS n (
                id, path, registered_at, due_at, size, tags, identity, disk, rule, kind, origin, owner, session
            )
            ORDER BY n.path
            ON CONFLICT (scope, path) DO NOTHING
            RETURNING coalesce(disk, size)::float8 AS room, tags, identity, origin
        )
        SELECT count(*), coalesce(sum(room), 0), array_agg(tags) FILTER (WHERE tags IS NOT NULL),
            array_agg(room) FILTER (WHERE tags IS NOT NULL),
            count(*) FILTER (WHERE origin IS NULL AND identity IS DISTINCT FROM pending)
        INTO done, more_room, new_words, new_rooms, more_counted FROM added;
        new := new + done;
        larger := larger + more_room;
        counted := counted + more_counted;
        IF new_words IS NOT NULL THEN
            PERFORM count_tagged(in_scope, by_owner, new_words, new_rooms, 1);
        END IF;
        EXIT WHEN only_new OR new + met >= wanted;

        WITH old AS (
            SELECT f.id, f.path, coalesce(f.disk, f.size)::float8 AS room, f.tags FROM files AS f
            WHERE f.scope = in_scope AND f.path = ANY (paths) AND f.xmin <> pg_current_xact_id()::xid
            ORDER BY f.path FOR UPDATE
        )
        SELECT array_agg(id), array_agg(path), coalesce(sum(room), 0), array_agg(tags) FILTER (WHERE tags IS NOT NULL),
            array_agg(room) FILTER (WHERE tags IS NOT NULL)
        INTO known, known_paths, old_room, old_words, old_rooms FROM old;
        CONTINUE WHEN known IS NULL;  -- somebody has just forgotten them
        PERFORM refuse(in_scope, known, known_paths);
        IF old_words IS NOT NULL THEN
            PERFORM count_tagged(in_scope, by_owner, old_words, old_rooms, -1);
        END IF;
        WITH written AS (
            UPDATE files AS f SET
                id = n.id, registered_at = n.registered_at, size = n.size, tags = n.tags, identity = n.identity,
                disk = n.disk, kind = n.kind, origin = n.origin, session = coalesce(n.session, in_session),
                owner = CASE WHEN n.kind IS NULL OR n.owner IS NOT NULL THEN coalesce(n.owner, by_owner)
                             ELSE owner_of(in_scope, by_owner, n.kind, n.origin) END,
                due_at = CASE WHEN in_session <> 0 THEN session_end ELSE n.due_at END,
                rule = CASE WHEN in_session = 0 THEN n.rule END,
                retry_at = NULL, tried = 0, failures = 0, kept = NULL, used_at = NULL, lapses = 0
            FROM unnest(
                numbers, paths, times, ends, sizes, words, identities, disks, rules, kinds, origins, owners, sessions
            ) AS n (
                id, path, registered_at, due_at, size, tags, identity, disk, rule, kind, origin, owner, session
            )
            WHERE f.scope = in_scope AND f.path = n.path AND f.id IN (SELECT unnest(known))
            RETURNING coalesce(f.disk, f.size)::float8 AS room, f.tags
        )
        SELECT count(*), coalesce(sum(room), 0), array_agg(tags) FILTER (WHERE tags IS NOT NULL),
            array_agg(room) FILTER (WHERE tags IS NOT NULL)
        INTO done, more_room, new_words, new_rooms FROM written;
        met := met + done;
        larger := larger + more_room - old_room;
        IF new_words IS NOT NULL THEN
            PERFORM count_tagged(in_scope, by_owner, new_words, new_rooms, 1);
        END IF;
        EXIT WHEN new + met >= wanted;
    END LOOP;
    PERFORM count_up(
        in_scope, by_owner, ARRAY['bytes', 'records', 'registered'], ARRAY[larger, new, coalesce(registrations, counted)]
    );
    SELECT settlements INTO ended FROM scopes WHERE scopes.id = in_scope;
    IF ended <> looked THEN
        RAISE EXCEPTION 'claims have ended since the look' USING ERRCODE = 'TFM02', DETAIL = ended;
    END IF;
    RETURN ended;
END $$;

-- Nobody's is what is in quarantine, or its undo would end with a block; what is compressed is whose its file was.
CREATE FUNCTION tfm.owner_of(in_scope integer, by_owner bigint, kind text, origin bytea)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
BEGIN
    RETURN CASE kind
        WHEN 'quarantined' THEN 0
        WHEN 'compressed' THEN coalesce((
            SELECT files.owner FROM files WHERE files.scope = in_scope AND files.path = owner_of.origin
        ), 0)
        ELSE by_owner
    END;
END $$;

-- Give a record another time, and another number; return whether there is one.
CREATE FUNCTION tfm.amend(in_scope integer, of_path bytea, at float8)
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
DECLARE
    old files;
    ends float8;
BEGIN
    SELECT * INTO old FROM files WHERE files.scope = in_scope AND files.path = of_path FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM refuse(in_scope, ARRAY[old.id], ARRAY[old.path]);
    ends := old.due_at;
    IF old.session = 0 AND ends IS NOT NULL THEN
        ends := ends + (at - old.registered_at);
        IF ends = 'NaN' THEN  -- infinity less infinity
            ends := at;
        END IF;
    END IF;
    UPDATE files SET
        id = nextval('tfm.numbers'), registered_at = at, due_at = ends, retry_at = NULL, tried = 0, failures = 0,
        kept = NULL, lapses = 0, used_at = CASE WHEN used_at > at THEN used_at END
    WHERE files.id = old.id;
    RETURN true;
END $$;

-- Drop records, and leave their files; of which a number is given, only if they still have that. Return how many.
CREATE FUNCTION tfm.forget(in_scope integer, by_owner bigint, paths bytea[], numbers bigint[], leave_pins boolean)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    known bigint[];
    known_paths bytea[];
BEGIN
    WITH meant AS (
        SELECT f.id, f.path FROM files AS f
        JOIN unnest(paths, numbers) AS n (path, id) ON n.path = f.path AND coalesce(n.id = f.id, true)
        WHERE f.scope = in_scope ORDER BY f.path FOR UPDATE OF f
    )
    SELECT array_agg(id), array_agg(path) INTO known, known_paths FROM meant;
    IF known IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM refuse(in_scope, known, known_paths);
    RETURN retire(in_scope, by_owner, known, NULL, NOT leave_pins);
END $$;

-- Delete records, and count them out; by their places where those are known, which needs no index. Return how many.
CREATE FUNCTION tfm.retire(in_scope integer, by_owner bigint, records bigint[], places tid[], unpin boolean)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    done bigint := 0;
    more bigint;
    room float8 := 0;
    less float8;
    old_words text[];
    old_rooms float8[];
    pinned CONSTANT boolean := unpin AND EXISTS (SELECT FROM keeps WHERE keeps.scope = in_scope);
    paths bytea[];
BEGIN
    FOR by_place IN REVERSE 1..0 LOOP
        IF by_place = 1 AND places IS NULL THEN
            CONTINUE;
        ELSIF by_place = 1 THEN
            WITH gone AS (
                DELETE FROM files AS f USING unnest(records, places) AS n (id, place)
                WHERE f.ctid = n.place AND f.id = n.id
                RETURNING coalesce(f.disk, f.size)::float8 AS room, f.tags, f.path
            )
            SELECT count(*), coalesce(sum(gone.room), 0), array_agg(tags) FILTER (WHERE tags IS NOT NULL),
                array_agg(gone.room) FILTER (WHERE tags IS NOT NULL), array_agg(path) FILTER (WHERE pinned)
            INTO more, less, old_words, old_rooms, paths FROM gone;
        ELSE  -- those that have moved since
            WITH gone AS (
                DELETE FROM files AS f WHERE f.id = ANY (records)
                RETURNING coalesce(f.disk, f.size)::float8 AS room, f.tags, f.path
            )
            SELECT count(*), coalesce(sum(gone.room), 0), array_agg(tags) FILTER (WHERE tags IS NOT NULL),
                array_agg(gone.room) FILTER (WHERE tags IS NOT NULL), array_agg(path) FILTER (WHERE pinned)
            INTO more, less, old_words, old_rooms, paths FROM gone;
        END IF;
        done := done + more;
        room := room + less;
        IF old_words IS NOT NULL THEN
            PERFORM count_tagged(in_scope, by_owner, old_words, old_rooms, -1);
        END IF;
        IF paths IS NOT NULL THEN
            DELETE FROM keeps WHERE keeps.scope = in_scope AND keeps.path = ANY (paths) AND holder IS NULL;
        END IF;
        EXIT WHEN done >= cardinality(records);
    END LOOP;
    PERFORM count_up(in_scope, by_owner, ARRAY['bytes', 'records'], ARRAY[-room, -done]);
    RETURN done;
END $$;

-- What became of the records of a claim; return how many claims have ended, or NULL if this one had before.
CREATE FUNCTION tfm.settle(
    in_scope integer,
    by_owner bigint,
    of_claim bigint,
    done integer,  -- so many of its first files have gone, but for those that stay
    stay bigint[],
    removed bigint[],  -- where a part has been settled before: which have gone
    released bigint[],  -- and which are settled; NULL: all of the claim
    hung bigint[],  -- those that stay claimed
    put_off bigint[], failed integer[], retries float8[], causes text[],
    ruled bigint[], rules text[], ends float8[],
    renewed bigint[], since float8[], renewed_ends float8[], sizes bigint[], identities bytea[], disks bigint[],
    again boolean[],  -- whether this sweep may come back to them
    names text[], more float8[]  -- counters
)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    claim claims;
    gone bigint[];
    places tid[];
    room float8;
    left_over bigint[];
    number bigint;
    ended bigint;
BEGIN
    SELECT * INTO claim FROM claims WHERE id = of_claim AND claims.scope = in_scope AND claimer = by_owner FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF released IS NOT NULL THEN
        gone := removed;
    ELSIF stay IS NULL THEN
        gone := claim.files[1:done];
        places := claim.places[1:done];
    ELSE
        SELECT array_agg(n.id), array_agg(n.place) INTO gone, places
        FROM unnest(claim.files[1:done], claim.places[1:done]) AS n (id, place)
        WHERE n.id NOT IN (SELECT unnest(stay));
    END IF;
    IF cardinality(gone) > 0 THEN
        PERFORM retire(in_scope, by_owner, gone, places, true);
    END IF;
    IF put_off IS NOT NULL THEN
        number := nextval('tfm.numbers');
        UPDATE files AS f SET tried = number, failures = n.failures, retry_at = n.retry_at, kept = n.cause
        FROM unnest(put_off, failed, retries, causes) AS n (id, failures, retry_at, cause) WHERE f.id = n.id;
    END IF;
    IF ruled IS NOT NULL THEN
        number := nextval('tfm.numbers');
        UPDATE files AS f
        SET rule = n.rule, due_at = n.due_at, tried = number, failures = 0, retry_at = NULL, kept = NULL
        FROM unnest(ruled, rules, ends) AS n (id, rule, due_at) WHERE f.id = n.id;
    END IF;
    IF renewed IS NOT NULL THEN
        number := nextval('tfm.numbers');
        SELECT coalesce(sum(coalesce(n.disk, n.size, 0)::float8 - coalesce(f.disk, f.size, 0)::float8), 0) INTO room
        FROM files AS f JOIN unnest(renewed, sizes, disks) AS n (id, size, disk) ON f.id = n.id;
        UPDATE files AS f SET
            registered_at = n.since, due_at = CASE WHEN f.session <> 0 THEN f.due_at ELSE n.due_at END, size = n.size,
            identity = n.identity, disk = n.disk, tried = CASE WHEN n.again THEN 0 ELSE number END, failures = 0,
            retry_at = NULL, kept = NULL, used_at = NULL
        FROM unnest(renewed, since, renewed_ends, sizes, identities, disks, again)
            AS n (id, since, due_at, size, identity, disk, again)
        WHERE f.id = n.id;
        PERFORM count_up(in_scope, by_owner, ARRAY['bytes'], ARRAY[room]);
    END IF;
    IF names IS NOT NULL THEN
        PERFORM count_up(in_scope, by_owner, names, more);
    END IF;
    IF released IS NOT NULL THEN
        SELECT array_agg(n.id) INTO left_over FROM unnest(claim.files) AS n (id)
        WHERE n.id NOT IN (SELECT unnest(released)) OR n.id IN (SELECT unnest(hung));
    ELSE
        left_over := hung;
    END IF;
    IF left_over IS NULL THEN
        DELETE FROM claims WHERE id = of_claim;
    ELSE
        UPDATE claims SET
            files = left_over, places = ARRAY[]::tid[],
            lapses_at = CASE WHEN hung IS NULL THEN lapses_at ELSE 'Infinity' END
        WHERE id = of_claim;
    END IF;
    UPDATE scopes SET settlements = settlements + 1 WHERE scopes.id = in_scope RETURNING settlements INTO ended;
    RETURN ended;
END $$;

-- End claims whose lease is over, those whose claimers are dead, and those given; return whether there was any.
CREATE FUNCTION tfm.end_claims(in_scope integer, before float8, given bigint[])
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
#variable_conflict use_column
DECLARE
    over bigint[];
BEGIN
    IF NOT EXISTS (
        SELECT FROM claims WHERE claims.scope = in_scope AND (lapses_at <= before OR id = ANY (given) OR NOT lives(claimer))
    ) THEN
        RETURN false;
    END IF;
    WITH lapsed AS (
        DELETE FROM claims WHERE claims.scope = in_scope AND (lapses_at <= before OR id = ANY (given) OR NOT lives(claimer)) RETURNING files
    )
    SELECT array_agg(n.id) INTO over FROM lapsed CROSS JOIN LATERAL unnest(files) AS n (id);
    IF over IS NULL THEN  -- somebody else was faster
        RETURN false;
    END IF;
    -- One of these files may have been the death of its sweep.
    UPDATE files SET lapses = least(lapses + 1, 1000) WHERE id = ANY (over);
    UPDATE scopes SET settlements = settlements + 1 WHERE scopes.id = in_scope;
    RETURN true;
END $$;

-- Records that are due and free, those first that wait the longest, from a place on. It is stable: whoever calls it sees
-- the records as it does, and finds them by their places.
CREATE FUNCTION tfm.due(
    in_scope integer,
    by_owner bigint,
    asof float8,
    max_age float8,
    force boolean,
    patient boolean,
    last_retry float8,
    mine boolean,
    of_session bigint,
    only_these bigint[],
    began bigint,
    latest float8,  -- no later time of registration is due
    aged float8, aged_id bigint,
    timed float8, timed_id bigint,
    retried float8, retried_id bigint,
    last_id bigint,
    taken bigint[],
    most integer
)
RETURNS TABLE (place tid, id bigint, lapses smallint) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, tfm
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    any_keep CONSTANT boolean := EXISTS (SELECT FROM keeps WHERE keeps.scope = in_scope);
BEGIN
    IF of_session <> 0 AND only_these IS NULL THEN
        RETURN QUERY SELECT f.ctid, f.id, f.lapses FROM files AS f
        WHERE f.session = of_session AND f.scope = in_scope AND f.id > last_id
            AND (force OR f.due_at <= asof)
            AND (NOT patient OR f.retry_at IS NULL OR f.retry_at <= asof OR f.retry_at > asof + last_retry)
            AND f.tried <= began AND (NOT force OR f.id <= began) AND (NOT mine OR f.owner = by_owner)
            AND f.id NOT IN (SELECT unnest(taken))
            AND (NOT any_keep OR NOT EXISTS (
                SELECT FROM keeps AS k WHERE k.scope = in_scope AND k.path = f.path AND k.until > asof
                    AND (k.holder IS NULL OR lives(k.holder))
            ))
        ORDER BY f.id LIMIT most;
    ELSIF only_these IS NOT NULL THEN
        RETURN QUERY SELECT found.place, found.id, found.lapses FROM (
            SELECT f.ctid AS place,
                CASE WHEN f.retry_at IS NOT NULL THEN 2 WHEN f.due_at IS NOT NULL THEN 1 ELSE 0 END AS walk,
                coalesce(f.retry_at, f.due_at, f.registered_at + max_age) AS since,
                coalesce(f.retry_at, f.due_at, f.registered_at) AS at, f.id, f.lapses
            FROM files AS f
            WHERE f.id = ANY (only_these) AND f.scope = in_scope AND (of_session = 0 OR f.session = of_session)
                AND (NOT patient OR f.retry_at IS NULL OR f.retry_at <= asof OR f.retry_at > asof + last_retry)
                AND (force OR CASE WHEN f.due_at IS NULL THEN asof - f.registered_at > max_age ELSE f.due_at <= asof END)
                AND CASE
                    WHEN f.retry_at IS NOT NULL THEN (f.retry_at, f.id) > (retried, retried_id)
                    WHEN f.due_at IS NOT NULL THEN (f.due_at, f.id) > (timed, timed_id)
                    ELSE (f.registered_at, f.id) > (aged, aged_id)
                END
                AND f.tried <= began AND (NOT force OR f.id <= began) AND (NOT mine OR f.owner = by_owner)
            AND f.id NOT IN (SELECT unnest(taken))
            AND (NOT any_keep OR NOT EXISTS (
                SELECT FROM keeps AS k WHERE k.scope = in_scope AND k.path = f.path AND k.until > asof
                    AND (k.holder IS NULL OR lives(k.holder))
            ))
        ) AS found ORDER BY since, walk, at, id LIMIT most;
    ELSE
        RETURN QUERY SELECT found.place, found.id, found.lapses FROM (
            (
                SELECT f.ctid AS place, 0 AS walk, f.registered_at + max_age AS since, f.registered_at AS at, f.id, f.lapses FROM files AS f
                WHERE f.scope = in_scope AND f.due_at IS NULL AND f.retry_at IS NULL
                    AND (f.registered_at, f.id) > (aged, aged_id) AND f.registered_at <= latest
                    AND (force OR asof - f.registered_at > max_age)
                    AND f.tried <= began AND (NOT force OR f.id <= began) AND (NOT mine OR f.owner = by_owner)
            AND f.id NOT IN (SELECT unnest(taken))
            AND (NOT any_keep OR NOT EXISTS (
                SELECT FROM keeps AS k WHERE k.scope = in_scope AND k.path = f.path AND k.until > asof
                    AND (k.holder IS NULL OR lives(k.holder))
            ))
                ORDER BY f.registered_at, f.id LIMIT most
            ) UNION ALL (
                SELECT f.ctid, 1, f.due_at, f.due_at, f.id, f.lapses FROM files AS f
                WHERE f.scope = in_scope AND f.due_at IS NOT NULL AND f.retry_at IS NULL
                    AND (f.due_at, f.id) > (timed, timed_id)
                    AND f.due_at <= CASE WHEN force THEN 'Infinity' ELSE asof END
                    AND f.tried <= began AND (NOT force OR f.id <= began) AND (NOT mine OR f.owner = by_owner)
            AND f.id NOT IN (SELECT unnest(taken))
            AND (NOT any_keep OR NOT EXISTS (
                SELECT FROM keeps AS k WHERE k.scope = in_scope AND k.path = f.path AND k.until > asof
                    AND (k.holder IS NULL OR lives(k.holder))
            ))
                ORDER BY f.due_at, f.id LIMIT most
            ) UNION ALL (
                SELECT f.ctid, 2, f.retry_at, f.retry_at, f.id, f.lapses FROM files AS f
                WHERE f.scope = in_scope AND f.retry_at IS NOT NULL AND (f.retry_at, f.id) > (retried, retried_id)
                    AND (NOT patient OR f.retry_at <= asof OR f.retry_at > asof + last_retry)
                    AND (force OR CASE
                        WHEN f.due_at IS NULL THEN asof - f.registered_at > max_age ELSE f.due_at <= asof END)
                    AND f.tried <= began AND (NOT force OR f.id <= began) AND (NOT mine OR f.owner = by_owner)
            AND f.id NOT IN (SELECT unnest(taken))
            AND (NOT any_keep OR NOT EXISTS (
                SELECT FROM keeps AS k WHERE k.scope = in_scope AND k.path = f.path AND k.until > asof
                    AND (k.holder IS NULL OR lives(k.holder))
            ))
                ORDER BY f.retry_at, f.id LIMIT most
            )
        ) AS found ORDER BY since, walk, at, id LIMIT most;
    END IF;
END $$;

-- Claim what is due. The last row, without a path, says how many claims have ended (id), how many rows came from the place
-- that was given (size), when the sweep began (session), whether claims have just ended, so that the start of the sweep
-- was taken for that place (failures), who has other claims
-- (tags: a JSON array of claims and claimers), and who holds anything (kept: a JSON array of holders).
CREATE FUNCTION tfm.claim(
    in_scope integer, by_owner bigint,
    settled bigint,  -- what settle returned, if that is done in the same step
    number bigint, process text, now float8, lapse_at float8, looks_back boolean,
    asof float8, max_age float8, force boolean, patient boolean, last_retry float8, mine boolean, of_session bigint,
    only_these bigint[], began bigint, latest float8,
    aged float8, aged_id bigint, timed float8, timed_id bigint, retried float8, retried_id bigint, last_id bigint,
    most integer
)
RETURNS TABLE (
    id bigint, path bytea, registered_at float8, due_at float8, retry_at float8, failures integer, size bigint,
    tags text, kept text, identity bytea, disk bigint, session bigint, rule text, kind text, origin bytea
)
LANGUAGE plpgsql SET search_path = pg_catalog, tfm
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    first_number CONSTANT bigint := coalesce(began, nextval('tfm.numbers'));
    taken bigint[];
    found integer;
    again integer := 0;
    ended integer := 0;
BEGIN
    -- A claimer that is taken for dead has no claim; for as long as it has one, its process goes on saying that it lives.
    IF NOT EXISTS (SELECT FROM owners WHERE owners.id = by_owner AND owners.seen_at > moment() - 15) THEN
        PERFORM seen(by_owner, in_scope, claim.process);
    END IF;
    IF end_claims(in_scope, now, NULL) THEN
        ended := 1;
        aged := '-Infinity'; aged_id := 0; timed := aged; timed_id := 0; retried := aged; retried_id := 0; last_id := 0;
        looks_back := false;
    END IF;
    PERFORM pg_advisory_xact_lock(7628397, in_scope);
    SELECT array_agg(n.id) INTO taken
    FROM claims AS c CROSS JOIN LATERAL unnest(c.files) AS n (id) WHERE c.scope = in_scope;
    RETURN QUERY WITH due AS MATERIALIZED (
        SELECT d.place, d.id, d.lapses, d.nth FROM tfm.due(
            in_scope, by_owner, asof, max_age, force, patient, last_retry, mine, of_session, only_these, first_number,
            latest, aged, aged_id, timed, timed_id, retried, retried_id, last_id, taken, most
        ) WITH ORDINALITY AS d (place, id, lapses, nth)
    ), alone AS MATERIALIZED (
        SELECT d.* FROM due AS d, (SELECT min(nth) AS nth FROM due WHERE lapses >= 3) AS deadly
        WHERE deadly.nth IS NULL OR d.nth < greatest(deadly.nth, 2)
    ), claimed AS (
        INSERT INTO claims (id, scope, claimer, lapses_at, files, places)
        SELECT number, in_scope, by_owner, lapse_at, array_agg(a.id ORDER BY a.nth), array_agg(a.place ORDER BY a.nth)
        FROM alone AS a HAVING count(*) > 0
    )
    SELECT f.id, f.path, f.registered_at, f.due_at, f.retry_at, f.failures, f.size, f.tags, f.kept, f.identity,
        f.disk, f.session, f.rule, f.kind, f.origin FROM alone AS a JOIN files AS f ON f.ctid = a.place ORDER BY a.nth;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found < most AND looks_back AND NOT EXISTS (
        SELECT FROM claims AS c JOIN files AS f ON f.id = c.files[found] WHERE c.id = number AND f.lapses >= 3
    ) THEN
        -- At the end one look from the start: somebody may have freed what lies behind.
        SELECT array_agg(n.id) INTO taken
        FROM claims AS c CROSS JOIN LATERAL unnest(c.files) AS n (id) WHERE c.scope = in_scope;
        RETURN QUERY WITH due AS MATERIALIZED (
            SELECT d.place, d.id, d.lapses, d.nth FROM tfm.due(
                in_scope, by_owner, asof, max_age, force, patient, last_retry, mine, of_session, only_these,
                first_number, latest, '-Infinity', 0, '-Infinity', 0, '-Infinity', 0, 0, taken, most - found
            ) WITH ORDINALITY AS d (place, id, lapses, nth)
        ), alone AS MATERIALIZED (
            SELECT d.* FROM due AS d WHERE d.lapses < 3 OR (found = 0 AND d.nth = 1)
        ), claimed AS (
            INSERT INTO claims (id, scope, claimer, lapses_at, files, places)
            SELECT number, in_scope, by_owner, lapse_at, array_agg(a.id ORDER BY a.nth),
                array_agg(a.place ORDER BY a.nth)
            FROM alone AS a HAVING count(*) > 0
            ON CONFLICT (id) DO UPDATE
            SET files = claims.files || excluded.files, places = claims.places || excluded.places
        )
        SELECT f.id, f.path, f.registered_at, f.due_at, f.retry_at, f.failures, f.size, f.tags, f.kept, f.identity,
        f.disk, f.session, f.rule, f.kind, f.origin FROM alone AS a JOIN files AS f ON f.ctid = a.place ORDER BY a.nth;
        GET DIAGNOSTICS again = ROW_COUNT;
    END IF;
    IF found + again = 0 THEN
        -- A settlement that is lost is a record without a file, which the next sweep finds gone. A claim is not to be lost.
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    RETURN QUERY SELECT
        (SELECT settlements FROM scopes WHERE scopes.id = in_scope), NULL::bytea, NULL::float8, NULL::float8,
        NULL::float8, ended, found::bigint,
        (SELECT json_agg(c.id) FROM claims AS c
            WHERE c.scope = in_scope AND c.claimer = by_owner AND c.id <> number)::text,
        NULL::text, NULL::bytea, settled, first_number, NULL::text, NULL::text, NULL::bytea;
END $$;

-- Forget every record; return whose those of some paths were.
CREATE FUNCTION tfm.forget_all(in_scope integer, by_owner bigint, paths bytea[])
RETURNS TABLE (path bytea, owner bigint, session bigint, due_at float8, kind text, origin bytea)
LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
#variable_conflict use_column
DECLARE
    claimed text;
    done float8;
    room float8;
BEGIN
    PERFORM share(in_scope);
    SELECT json_agg(json_build_array(encode(f.path, 'hex'), c.id, c.claimer, lives(c.claimer))) INTO claimed
    FROM claims AS c CROSS JOIN LATERAL unnest(c.files) AS taken (id) JOIN files AS f ON f.id = taken.id
    WHERE c.scope = in_scope;
    IF claimed IS NOT NULL THEN
        RAISE EXCEPTION 'a sweep is at work on these records' USING ERRCODE = 'TFM01', DETAIL = claimed;
    END IF;
    RETURN QUERY SELECT f.path, f.owner, f.session, f.due_at, f.kind, f.origin FROM files AS f
        WHERE f.scope = in_scope AND f.path = ANY (paths) FOR UPDATE;
    WITH gone AS (
        DELETE FROM files AS f WHERE f.scope = in_scope RETURNING coalesce(f.disk, f.size)::float8 AS room
    )
    SELECT count(*), coalesce(sum(gone.room), 0) INTO done, room FROM gone;
    DELETE FROM tagged WHERE tagged.scope = in_scope;
    PERFORM count_up(in_scope, by_owner, ARRAY['bytes', 'records'], ARRAY[-room, -done]);
END $$;

-- Note what looks at files have found, of those that are still the same and that nobody has claimed.
CREATE FUNCTION tfm.measure(in_scope integer, by_owner bigint, records bigint[], disks bigint[], uses float8[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm SET jit = off SET enable_seqscan = off AS $$
DECLARE
    larger float8;
BEGIN
    PERFORM share(in_scope);
    WITH free AS (
        SELECT f.id, f.disk, f.size, f.tags, n.disk AS taken, n.used_at
        FROM files AS f JOIN unnest(records, disks, uses) AS n (id, disk, used_at) ON f.id = n.id
        WHERE f.scope = in_scope AND f.id NOT IN (
            SELECT taken.id FROM claims AS c CROSS JOIN LATERAL unnest(c.files) AS taken (id) WHERE c.scope = in_scope
        ) ORDER BY f.id FOR UPDATE OF f
    ), noted AS (
        UPDATE files AS f SET disk = free.taken, used_at = greatest(f.used_at, free.used_at)
        FROM free WHERE f.id = free.id
    ), counted AS (
        INSERT INTO tagged (scope, owner, tags, records, bytes)
        SELECT in_scope, by_owner, tags, 0, sum(taken::float8 - coalesce(disk, size, 0)::float8)
        FROM free WHERE tags IS NOT NULL GROUP BY tags ORDER BY tags
        ON CONFLICT (scope, owner, tags) DO UPDATE SET bytes = tagged.bytes + excluded.bytes
    )
    SELECT sum(taken::float8 - coalesce(disk, size, 0)::float8) INTO larger FROM free;
    PERFORM count_up(in_scope, by_owner, ARRAY['bytes'], ARRAY[coalesce(larger, 0)]);
END $$;
