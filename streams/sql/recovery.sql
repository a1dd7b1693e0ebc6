-- name: result
INSERT INTO journal.paid (key, result, quantity, cost_micro_usd, token) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO NOTHING

-- name: spend
INSERT INTO journal.spends (
    token, function, input_id, run_id, creator_id, video_id, usage, model, quantity, cost_micro_usd, keys, told
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true)
ON CONFLICT (token) DO NOTHING

-- name: run
-- Completed outranks failed: the log may hold both, of two attempts under one fingerprint.
INSERT INTO journal.runs AS r (
    function, fingerprint, input_id, run_id, creator_id, video_id, first_started_at, attempts, ending, error, told
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9::text IS NOT NULL)
ON CONFLICT (function, fingerprint, input_id) DO UPDATE SET
    ending = CASE WHEN 'completed' IN (r.ending, excluded.ending) THEN 'completed' ELSE coalesce(r.ending, excluded.ending) END,
    error = coalesce(r.error, excluded.error),
    told = r.told OR excluded.told
WHERE r.lease_token IS NULL

-- name: choice
INSERT INTO journal.choices (name, choice) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING

-- name: cancel
INSERT INTO journal.cancelled (run_id) VALUES ($1) ON CONFLICT DO NOTHING
