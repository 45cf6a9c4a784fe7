"""Organisations that share one database: whose a row is, and that nobody else's role sees it.

Every table has a last column `organisation`, which its keys end with; row-level security shows a role its own
organisation's rows alone. The owner of the tables is under no such rule: it makes organisations and migrates.
"""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from aggregator.store.port import Database

FUNCTIONS = """
CREATE TABLE IF NOT EXISTS aidpost.organisations (
    number INTEGER PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    role NAME NOT NULL UNIQUE);

-- Of the role that signed in, which no statement of its session changes; 0 of everybody else.
CREATE OR REPLACE FUNCTION aidpost.own_organisation() RETURNS INTEGER STABLE PARALLEL SAFE SECURITY DEFINER
    LANGUAGE SQL SET search_path = aidpost, pg_catalog AS
    'SELECT coalesce((SELECT number FROM aidpost.organisations WHERE role = session_user), 0)';

CREATE OR REPLACE FUNCTION aidpost.let_in(role NAME) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA aidpost TO %I', role);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA aidpost TO %I', role);
    EXECUTE format('GRANT SELECT ON aidpost.steps TO %I', role);
    EXECUTE (
        SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I',
                      string_agg(polrelid::regclass::text, ', '), role)
        FROM pg_policy WHERE polname = 'own_organisation');
END $$;

CREATE OR REPLACE FUNCTION aidpost.add_organisation(role NAME) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aidpost.organisations (role) VALUES (add_organisation.role);
    PERFORM aidpost.let_in(add_organisation.role);
END $$;
"""

_OWN = "SELECT set_config('aidpost.organisation', CAST(aidpost.own_organisation() AS TEXT), FALSE)"
"""Says in a session what the column is by default; rows of others it could not write."""

_UNDIVIDED = """
    SELECT count(*) FROM pg_class
    WHERE relnamespace = CAST('aidpost' AS regnamespace) AND relkind IN ('r', 'p') AND NOT relispartition
        AND relname NOT IN ('steps', 'organisations', 'moving')
        AND NOT EXISTS (
            SELECT 1 FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'organisation')"""

_DIVIDE = """
DO $$
DECLARE
    of_table RECORD; of_key RECORD; columns TEXT;
BEGIN
    -- What refers to a key goes first, and comes back when the keys are there.
    CREATE TEMP TABLE referring ON COMMIT DROP AS
        SELECT conrelid::regclass AS table_, conname, pg_get_constraintdef(oid) AS says FROM pg_constraint
        WHERE contype = 'f' AND connamespace = 'aidpost'::regnamespace AND conparentid = 0
            AND pg_get_constraintdef(oid) NOT LIKE '%organisation%';
    FOR of_key IN SELECT * FROM referring LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', of_key.table_, of_key.conname);
    END LOOP;
    FOR of_table IN
        SELECT oid::regclass AS name, oid FROM pg_class
        WHERE relnamespace = 'aidpost'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND relname NOT IN ('steps', 'organisations', 'moving')
            AND NOT EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'organisation')
    LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN organisation INTEGER NOT NULL DEFAULT '
            'coalesce(nullif(current_setting(''aidpost.organisation'', TRUE), ''''), ''0'')::integer',
            of_table.name);
        FOR of_key IN
            SELECT conname, CASE contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END AS kind,
                (SELECT string_agg(quote_ident(attname), ', ' ORDER BY place)
                 FROM unnest(conkey) WITH ORDINALITY AS of (number, place)
                 JOIN pg_attribute ON attrelid = of_table.oid AND attnum = of.number) AS columns
            FROM pg_constraint WHERE conrelid = of_table.oid AND contype IN ('p', 'u')
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', of_table.name, of_key.conname);
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s (%s, organisation)',
                           of_table.name, of_key.conname, of_key.kind, of_key.columns);
        END LOOP;
        FOR of_key IN
            SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS says FROM pg_index
            WHERE indrelid = of_table.oid AND indisunique
                AND pg_get_indexdef(indexrelid) NOT LIKE '%organisation%'
        LOOP
            EXECUTE format('DROP INDEX %s', of_key.name);
            EXECUTE regexp_replace(of_key.says, '\\)( WHERE|$)', ', organisation)\\1');
        END LOOP;
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', of_table.name);
        EXECUTE format('CREATE POLICY own_organisation ON %s '
            'USING (organisation = (SELECT own_organisation()))', of_table.name);
    END LOOP;
    FOR of_key IN SELECT * FROM referring LOOP
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', of_key.table_, of_key.conname,
            regexp_replace(of_key.says, '\\(([^)]*)\\) REFERENCES ([^(]*)\\(([^)]*)\\)',
                           '(\\1, organisation) REFERENCES \\2(\\3, organisation)'));
    END LOOP;
    PERFORM let_in(role) FROM organisations;
END $$;
"""


async def sign_in(connection: asyncpg.Connection) -> int:
    """Let a session write rows of its role's organisation; returns its number, 0 for none."""
    if not await connection.fetchval("SELECT to_regproc('aidpost.own_organisation') IS NOT NULL"):
        return 0  # the tables are not made yet
    return int(await connection.fetchval(_OWN))


def divide(db: Database, run_script: Callable[[str], None]) -> None:
    """Give the tables that are new their column, keys and rule."""
    (undivided,) = db.execute(_UNDIVIDED).fetchone()
    if undivided:
        run_script(_DIVIDE)


def are_there(db: Database) -> bool:
    """Tell whether the database is shared."""
    return db.execute("SELECT 1 FROM organisations LIMIT 1").fetchone() is not None
