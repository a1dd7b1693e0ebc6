-- name: known
-- Whether readers find all that they ask: the journal says what holds a video (the newest that they ask it).
SELECT to_regclass('chronos.active') IS NOT NULL AND to_regprocedure('journal.holds(text, text)') IS NOT NULL

-- name: prepare
CREATE SCHEMA IF NOT EXISTS chronos;
CREATE TABLE IF NOT EXISTS chronos.sides ( -- the projection's tables, of which there may be two
    schema text PRIMARY KEY,
    layout text NOT NULL, -- sides of one layout have the same tables
    state text NOT NULL, -- building, or live: followed by the projection's workers
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS chronos.active ( -- the side that readers look at, by layout
    layout text PRIMARY KEY,
    schema text NOT NULL,
    before text, -- the one that they looked at before: where a rollback leads
    since timestamptz NOT NULL DEFAULT now()
);

-- name: first
INSERT INTO chronos.sides (schema, layout, state)
SELECT $1::text, $1::text, 'live' WHERE NOT EXISTS (SELECT FROM chronos.sides WHERE layout = $1)

-- name: first_active
INSERT INTO chronos.active (layout, schema) VALUES ($1, $1) ON CONFLICT DO NOTHING

-- name: active
SELECT schema, before FROM chronos.active WHERE layout = $1

-- name: use_active
SELECT set_config('search_path', quote_ident(schema) || ', public', false) FROM chronos.active WHERE layout = $1

-- name: sides
SELECT schema, state, made_at FROM chronos.sides WHERE layout = $1 ORDER BY made_at, schema

-- name: add
INSERT INTO chronos.sides (schema, layout, state) VALUES ($1, $2, 'building') ON CONFLICT DO NOTHING

-- name: live
UPDATE chronos.sides SET state = 'live' WHERE schema = $1

-- name: remove
DELETE FROM chronos.sides WHERE schema = $1

-- name: switch
UPDATE chronos.active SET before = schema, schema = $2, since = now() WHERE layout = $1 AND schema <> $2

-- name: forget_before
UPDATE chronos.active SET before = NULL WHERE before = $1
