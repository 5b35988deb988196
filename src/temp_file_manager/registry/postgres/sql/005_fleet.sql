-- Who reports, what is to hold for whom, and how much is due. Every moment is on the server's clock: those of hosts
-- differ. Nobody writes these tables but by a function, which says who did it: session_user, whom no argument can forge.

CREATE TABLE tfm.hosts (
    scope text NOT NULL CHECK (length(scope) <= 5000),  -- local:MACHINE:BASE, or volume:NAME
    host text NOT NULL CHECK (length(host) <= 300),
    team text NOT NULL CHECK (length(team) <= 63),
    records bigint NOT NULL,
    bytes bigint,  -- NULL: its registry keeps no sizes
    -- NaN is more than infinity to this server, so that it is refused, too: JSON has neither.
    overdue float8 NOT NULL CHECK (overdue >= 0 AND overdue < 'Infinity'),  -- seconds for which the longest overdue record should have been gone
    failures bigint NOT NULL,  -- removals that failed, in all
    max_age float8 NOT NULL,  -- seconds, as it is with policies in force
    health text NOT NULL,
    version text NOT NULL,
    policy text NOT NULL,  -- the policies it had in force when it wrote this; empty: none
    swept_at float8 CHECK (swept_at > '-Infinity' AND swept_at < 'Infinity'),  -- NULL: no sweep has ended yet
    seen_at float8 NOT NULL,
    reported_by name NOT NULL,
    PRIMARY KEY (scope, host)
) WITH (fillfactor = 50);
CREATE INDEX hosts_by_time ON tfm.hosts (seen_at);

CREATE TABLE tfm.policies (
    target text PRIMARY KEY CHECK (target ~ '^(team|scope):.'),  -- team:NAME, or scope:PATTERN with *
    max_age float8 CHECK (max_age >= 0 AND max_age < 'Infinity'),
    max_bytes bigint CHECK (max_bytes > 0),
    max_files bigint CHECK (max_files > 0),
    paused boolean NOT NULL DEFAULT false,
    set_by name NOT NULL,
    set_at float8 NOT NULL,
    CHECK (paused OR max_age IS NOT NULL OR max_bytes IS NOT NULL OR max_files IS NOT NULL)
);

CREATE TABLE tfm.policy_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at float8 NOT NULL,
    target text NOT NULL,
    changed_by name NOT NULL,
    policy jsonb  -- as it is from then on; NULL: cleared
);

-- Say whether a target is about a scope of a team.
CREATE FUNCTION tfm.is_about(target text, scope text, team text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT target = 'team:' || team OR 'scope:' || scope LIKE
        replace(replace(replace(replace(target, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%')
$$;

-- Write a host's row, and tell the policies that are about it: one statement, one round trip. What a volume's row in
-- tfm.scopes says of its team wins over what a host says.
CREATE FUNCTION tfm.fleet_report(
    told_scope text, told_host text, told_team text, told_records bigint, told_bytes bigint, told_overdue float8,
    told_failures bigint, told_max_age float8, told_health text, told_version text, told_policy text, swept_ago float8
) RETURNS SETOF tfm.policies LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tfm, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now float8 := moment();
    of_team text := coalesce((SELECT nullif(team, '') FROM scopes WHERE name = told_scope), told_team);
BEGIN
    INSERT INTO hosts VALUES (
        told_scope, told_host, of_team, told_records, told_bytes, told_overdue, told_failures, told_max_age,
        told_health, told_version, told_policy, now - swept_ago, now, session_user
    )
    ON CONFLICT (scope, host) DO UPDATE SET (
        team, records, bytes, overdue, failures, max_age, health, version, policy, swept_at, seen_at, reported_by
    ) = (
        excluded.team, excluded.records, excluded.bytes, excluded.overdue, excluded.failures, excluded.max_age,
        excluded.health, excluded.version, excluded.policy, excluded.swept_at, excluded.seen_at, excluded.reported_by
    );
    -- What has not been seen for a week is nobody's host any more. A few at a time: nobody waits for them all.
    DELETE FROM hosts WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM hosts WHERE seen_at < now - 604800 LIMIT 10 FOR UPDATE SKIP LOCKED
    ));
    RETURN QUERY SELECT * FROM policies WHERE is_about(target, told_scope, of_team) ORDER BY target;
END $$;

-- Take back a host's row: what ends with its process is not missed.
CREATE FUNCTION tfm.fleet_leave(told_scope text, told_host text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, tfm, pg_temp AS $$
    DELETE FROM hosts WHERE scope = told_scope AND host = told_host AND reported_by = session_user
$$;

CREATE FUNCTION tfm.set_policy(
    about text, cap float8, most_bytes bigint, most_files bigint, pause boolean
) RETURNS SETOF tfm.policies LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tfm, pg_temp AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO policies VALUES (about, cap, most_bytes, most_files, pause, session_user, moment())
    ON CONFLICT (target) DO UPDATE SET (max_age, max_bytes, max_files, paused, set_by, set_at) = (
        excluded.max_age, excluded.max_bytes, excluded.max_files, excluded.paused, excluded.set_by, excluded.set_at
    );
    INSERT INTO policy_journal (at, target, changed_by, policy)
    SELECT set_at, target, set_by, to_jsonb(policies) FROM policies WHERE target = about;
    RETURN QUERY SELECT * FROM policies WHERE target = about;
END $$;

-- Say whether there was one.
CREATE FUNCTION tfm.clear_policy(about text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tfm, pg_temp AS $$
BEGIN
    DELETE FROM policies WHERE target = about;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO policy_journal (at, target, changed_by) VALUES (moment(), about, session_user);
    RETURN true;
END $$;

-- How many records of a scope are due, counted no further than 3,000,000, which is ten sweepers' minute: whoever scales
-- by it wants no more. It asks no sweeper, so it can start the first one. max_age is what the scope's hosts told last;
-- of a scope that never had one it is the setting's default, until its first sweeper tells. What could not be removed
-- and waits for its next try is not counted: no further sweeper helps it. Those are few, so they are taken off, and the
-- rest is counted in an index alone.
CREATE FUNCTION tfm.backlog(called text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, tfm, pg_temp
-- Or a connection that asks for the sixth time gets one plan for all moments, which reads the whole table.
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    number integer := (SELECT id FROM scopes WHERE name = called);
    now float8 := moment();
    oldest float8 := now - coalesce((SELECT max_age FROM hosts WHERE scope = called ORDER BY seen_at DESC LIMIT 1), 3600);
    due bigint;
    waiting bigint;
BEGIN
    SELECT count(*) INTO due FROM (
        (SELECT 1 FROM files WHERE scope = number AND due_at IS NULL AND registered_at < oldest LIMIT 3000000)
        UNION ALL
        (SELECT 1 FROM files WHERE scope = number AND due_at <= now LIMIT 3000000)
        LIMIT 3000000
    ) AS found;
    SELECT count(*) INTO waiting FROM (
        SELECT 1 FROM files WHERE scope = number AND retry_at > now LIMIT 3000000
    ) AS put_off;
    RETURN greatest(due - waiting, 0);
END $$;

-- Functions may be called by everybody unless somebody says otherwise.
REVOKE ALL ON FUNCTION tfm.fleet_report, tfm.fleet_leave, tfm.set_policy, tfm.clear_policy, tfm.backlog, tfm.is_about FROM PUBLIC;

-- Grant all of it to the roles that there are. Where they are missing, the owner alone may; where they were made later,
-- the owner calls this again.
CREATE FUNCTION tfm.grant_fleet() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, tfm AS $$
DECLARE
    one text;
BEGIN
    FOR one IN
        SELECT rolname FROM pg_roles WHERE rolname IN ('tfm_register', 'tfm_sweep', 'tfm_view', 'tfm_owner')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA tfm TO %I', one);
        EXECUTE format('GRANT SELECT ON version, hosts, policies, policy_journal TO %I', one);
        EXECUTE format('GRANT EXECUTE ON FUNCTION backlog, moment TO %I', one);
        IF one <> 'tfm_view' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION fleet_report, fleet_leave TO %I', one);
        END IF;
        IF one = 'tfm_owner' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION set_policy, clear_policy TO %I', one);
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION tfm.grant_fleet FROM PUBLIC;
SELECT tfm.grant_fleet();
