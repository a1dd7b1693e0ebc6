-- name: stage
-- Where it is gathered first: the journal gets all of it at once or nothing, since half a journal is not an empty one.
CREATE TEMP TABLE recovered_results (
    creator_id text, video_id text NOT NULL, run_id uuid NOT NULL,
    key text NOT NULL, result bytea NOT NULL, quantity float8 NOT NULL, cost_micro_usd int8 NOT NULL,
    at timestamptz NOT NULL
);
CREATE TEMP TABLE recovered_spends (
    token uuid NOT NULL, function text NOT NULL, input_id uuid NOT NULL, run_id uuid NOT NULL, creator_id text,
    video_id text, usage text NOT NULL, model text NOT NULL, quantity float8 NOT NULL, cost_micro_usd int8 NOT NULL,
    keys text[] NOT NULL, at timestamptz NOT NULL
);
CREATE TEMP TABLE recovered_runs (
    function text NOT NULL, fingerprint text NOT NULL, input_id uuid NOT NULL, run_id uuid NOT NULL, creator_id text,
    video_id text, first_started_at int8 NOT NULL, attempts int4 NOT NULL, ending text, error jsonb
);
CREATE TEMP TABLE recovered_choices (name text NOT NULL, choice bytea NOT NULL);
CREATE TEMP TABLE recovered_budgets (
    creator_id text NOT NULL, micro_usd int8, dropped boolean NOT NULL, at timestamptz NOT NULL
);
CREATE TEMP TABLE recovered_cancelled (run_id uuid NOT NULL, at timestamptz NOT NULL);
CREATE TEMP TABLE recovered_deleted (creator_id text NOT NULL, video_id text NOT NULL, run_id uuid NOT NULL)

-- name: deleted
INSERT INTO journal.deleted (creator_id, video_id, run_id)
SELECT creator_id, video_id, max(run_id::text)::uuid FROM recovered_deleted GROUP BY creator_id, video_id
ON CONFLICT (creator_id, video_id) DO NOTHING

-- name: spends
INSERT INTO journal.spends (
    token, function, input_id, run_id, creator_id, video_id, usage, model, quantity, cost_micro_usd, keys, spent_at, told
)
SELECT DISTINCT ON (token)
    token, function, input_id, run_id, creator_id, video_id, usage, model, quantity, cost_micro_usd, keys, at, true
FROM recovered_spends
ORDER BY token, at
ON CONFLICT (token) DO NOTHING

-- name: results
-- Each video that carries a result uses it, but for what was deleted. Under the call that bought each, after the spends. Of
-- two answers under one key the first stands, as it did.
DELETE FROM recovered_results AS r USING journal.deleted AS d
WHERE (d.creator_id, d.video_id) = (r.creator_id, r.video_id) AND r.run_id < d.run_id;
INSERT INTO journal.uses (creator_id, video_id, key, run_id)
SELECT creator_id, video_id, key, max(run_id::text)::uuid FROM recovered_results WHERE creator_id IS NOT NULL
GROUP BY creator_id, video_id, key
ON CONFLICT (creator_id, video_id, key) DO NOTHING;
WITH buyers AS (
    SELECT DISTINCT ON (k.key) k.key, s.token
    FROM journal.spends AS s CROSS JOIN unnest(s.keys) AS k (key)
    ORDER BY k.key, s.spent_at, s.token
)
INSERT INTO journal.paid (key, result, quantity, cost_micro_usd, token, paid_at)
SELECT DISTINCT ON (r.key)
    r.key, r.result, r.quantity, r.cost_micro_usd, coalesce(b.token, gen_random_uuid()), r.at
FROM recovered_results AS r
LEFT JOIN buyers AS b USING (key)
ORDER BY r.key, r.at
ON CONFLICT (key) DO NOTHING

-- name: runs
-- Completed outranks failed: the log may hold both, of two goes under one fingerprint. Deleted outranks both.
WITH found AS (
    SELECT
        function, fingerprint, input_id, max(run_id::text)::uuid AS run_id, max(creator_id) AS creator_id,
        max(video_id) AS video_id, max(first_started_at) AS first_started_at, max(attempts) AS attempts,
        CASE WHEN bool_or(ending = 'completed') THEN 'completed' ELSE max(ending) END AS ending,
        CASE
            WHEN bool_or(ending = 'completed') THEN NULL
            ELSE (array_agg(error ORDER BY attempts DESC) FILTER (WHERE error IS NOT NULL))[1]
        END AS error
    FROM recovered_runs
    GROUP BY function, fingerprint, input_id
)
INSERT INTO journal.runs (
    function, fingerprint, input_id, run_id, creator_id, video_id, first_started_at, attempts, ending, error, told
)
SELECT
    f.function, f.fingerprint, f.input_id, f.run_id, f.creator_id, f.video_id, f.first_started_at, f.attempts,
    CASE WHEN d.run_id IS NULL THEN f.ending ELSE 'cancelled' END,
    CASE WHEN d.run_id IS NULL THEN f.error END,
    d.run_id IS NOT NULL OR f.ending IS NOT NULL
FROM found AS f
LEFT JOIN journal.deleted AS d ON (d.creator_id, d.video_id) = (f.creator_id, f.video_id) AND f.run_id < d.run_id
ON CONFLICT (function, fingerprint, input_id) DO NOTHING

-- name: choices
INSERT INTO journal.choices (name, choice)
SELECT DISTINCT ON (name) name, choice FROM recovered_choices ORDER BY name
ON CONFLICT (name) DO NOTHING

-- name: budgets
-- Of each creator the last word.
INSERT INTO journal.budgets (creator_id, micro_usd, set_at)
SELECT creator_id, micro_usd, at FROM (
    SELECT DISTINCT ON (creator_id) creator_id, micro_usd, dropped, at FROM recovered_budgets
    ORDER BY creator_id, at DESC
) AS last
WHERE NOT dropped
ON CONFLICT (creator_id) DO NOTHING

-- name: cancelled
INSERT INTO journal.cancelled (run_id, at) SELECT run_id, min(at) FROM recovered_cancelled GROUP BY run_id
ON CONFLICT (run_id) DO NOTHING
