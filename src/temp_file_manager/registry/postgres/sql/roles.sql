-- The roles, and what each of them may do. It is run after every migration, and changes nothing when all is as it is
-- to be: a role that somebody else made meanwhile gets its rights then. Roles belong to the whole server.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tfm_owner', 'tfm_register', 'tfm_sweep', 'tfm_view'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
            AND (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user)
        THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- whoever migrates another database was faster
            END;
        END IF;
    END LOOP;
END $$;

-- Whoever made the roles is one of the owners: a role that may make others is not a member of them by that alone.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tfm_owner') AND NOT pg_has_role('tfm_owner', 'MEMBER')
        AND (SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user)
    THEN
        GRANT tfm_owner TO CURRENT_USER;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;  -- somebody else made it: what is here stays this role's
END $$;

-- All that is here belongs to tfm_owner, so that each of its members may migrate next time.
DO $$
DECLARE
    thing record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tfm_owner') OR NOT pg_has_role('tfm_owner', 'MEMBER') THEN
        RETURN;
    END IF;
    FOR thing IN
        SELECT 'SCHEMA' AS kind, 'tfm' AS name, 0 AS place FROM pg_namespace
        WHERE nspname = 'tfm' AND nspowner <> 'tfm_owner'::regrole
        UNION ALL
        SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass::text, 1
        FROM pg_class AS c
        WHERE relnamespace = 'tfm'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND relowner <> 'tfm_owner'::regrole
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'i')  -- it goes with its table
        UNION ALL
        SELECT 'FUNCTION', oid::regprocedure::text, 2 FROM pg_proc
        WHERE pronamespace = 'tfm'::regnamespace AND proowner <> 'tfm_owner'::regrole
        ORDER BY place
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO tfm_owner', thing.kind, thing.name);
    END LOOP;
END $$;

-- Nobody but the owner touches a table; what the others may do, functions do for them, as the owner. So a temporary
-- table of the caller's must not come before ours: pg_temp is last.
DO $$
DECLARE
    called record;
BEGIN
    FOR called IN
        SELECT oid::regprocedure::text AS name, provolatile = 'v' AS changes FROM pg_proc
        WHERE pronamespace = 'tfm'::regnamespace
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, tfm, pg_temp', called.name);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', called.name);
        IF called.changes THEN
            EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER', called.name);
        END IF;
    END LOOP;
END $$;

DO $$
DECLARE
    looks CONSTANT text[] := ARRAY['moment', 'lives', 'due', 'miscounts', 'backlog'];
    shared CONSTANT text[] := looks || ARRAY[
        'enter', 'seen', 'renew', 'leave', 'enter_alone', 'fold', 'note', 'measure', 'rule', 'release', 'end_sessions', 'look'
    ];
    granted CONSTANT jsonb := jsonb_build_object(
        'tfm_view', looks,
        'tfm_register', shared || ARRAY[
            'add', 'amend', 'forget', 'forget_all', 'keep', 'begin_session', 'renew_session'
        ],
        'tfm_sweep', shared || ARRAY['claim', 'settle', 'end_claims', 'recount']
    );
    wanted text;
    called record;
BEGIN
    FOR wanted IN SELECT jsonb_object_keys(granted) LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
        EXECUTE format('GRANT USAGE ON SCHEMA tfm TO %I', wanted);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA tfm TO %I', wanted);
        EXECUTE format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA tfm TO %I', wanted);
        FOR called IN
            SELECT oid::regprocedure::text AS name FROM pg_proc
            WHERE pronamespace = 'tfm'::regnamespace AND granted -> wanted ? proname::text
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', called.name, wanted);
        END LOOP;
        IF wanted <> 'tfm_view' THEN
            EXECUTE format('GRANT DELETE ON tfm.exclusives TO %I', wanted);
        END IF;
        IF wanted = 'tfm_sweep' THEN
            EXECUTE format('GRANT DELETE ON tfm.keeps TO %I', wanted);  -- of holders that are over: check --fix
        END IF;
    END LOOP;
END $$;
