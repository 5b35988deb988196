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
