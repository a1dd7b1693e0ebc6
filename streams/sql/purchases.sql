-- name: recall
SELECT key, result, quantity, cost_micro_usd FROM journal.paid WHERE key = ANY($1::text[])

-- name: bought
SELECT key FROM journal.paid WHERE key = ANY($1::text[])

-- name: claim
SELECT * FROM journal.claim($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: keep
-- Keeps answers with their spends, and ends their claims: one transaction. Gives the keys that were kept before, or are
-- not kept: those of videos that were deleted meanwhile. The lock on those rows' table makes a deletion wait for it.
WITH spend AS (
    SELECT token, function, input_id, run_id, creator_id, video_id, usage, model, quantity, cost, keys::text[] AS keys
    FROM unnest(
        $6::uuid[], $7::text[], $8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[],
        $14::float8[], $15::bigint[], $16::text[]
    ) AS s (token, function, input_id, run_id, creator_id, video_id, usage, model, quantity, cost, keys)
), deleted AS (
    SELECT creator_id, video_id, run_id FROM journal.deleted
    WHERE (creator_id, video_id) IN (SELECT creator_id, video_id FROM spend)
    FOR KEY SHARE
), living AS (
    SELECT * FROM spend AS s
    WHERE NOT EXISTS (
        SELECT FROM deleted AS d
        WHERE (d.creator_id, d.video_id) = (s.creator_id, s.video_id) AND s.run_id < d.run_id
    )
), kept AS (
    INSERT INTO journal.paid (key, result, quantity, cost_micro_usd, token)
    SELECT key, result, e.quantity, e.cost, token
    FROM unnest($1::text[], $2::bytea[], $3::float8[], $4::bigint[], $5::uuid[])
        AS e (key, result, quantity, cost, token)
    JOIN living USING (token)
    ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING key
), used AS (
    INSERT INTO journal.uses AS u (creator_id, video_id, key, run_id)
    SELECT creator_id, video_id, k.key, max(run_id::text)::uuid
    FROM living CROSS JOIN unnest(keys) AS k (key)
    WHERE creator_id IS NOT NULL AND video_id IS NOT NULL
    GROUP BY creator_id, video_id, k.key
    ORDER BY creator_id, video_id, k.key
    ON CONFLICT (creator_id, video_id, key) DO UPDATE SET run_id = excluded.run_id WHERE excluded.run_id > u.run_id
), spent AS (
    INSERT INTO journal.spends (
        token, function, input_id, run_id, creator_id, video_id, usage, model, quantity, cost_micro_usd, keys
    )
    SELECT * FROM spend
    ON CONFLICT (token) DO NOTHING
), landed AS (
    DELETE FROM journal.calls WHERE token = ANY($6::uuid[])
)
SELECT wanted.key FROM unnest($1::text[]) AS wanted (key) WHERE key NOT IN (SELECT key FROM kept)

-- name: use
-- Notes that runs use results that are kept; gives the keys of those that are. A deletion of another video that bought one
-- waits for this, or was before: then it is not there.
WITH wanted AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS w (key, creator_id, video_id, run_id)
), deleted AS (
    SELECT creator_id, video_id, run_id FROM journal.deleted
    WHERE (creator_id, video_id) IN (SELECT creator_id, video_id FROM wanted)
    FOR KEY SHARE
), kept AS (
    SELECT key FROM journal.paid WHERE key = ANY($1::text[]) ORDER BY key FOR KEY SHARE
), noted AS (
    INSERT INTO journal.uses AS u (creator_id, video_id, key, run_id)
    SELECT w.creator_id, w.video_id, key, max(w.run_id::text)::uuid
    FROM wanted AS w JOIN kept USING (key)
    WHERE w.creator_id IS NOT NULL AND w.video_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM deleted AS d
        WHERE (d.creator_id, d.video_id) = (w.creator_id, w.video_id) AND w.run_id < d.run_id
    )
    GROUP BY w.creator_id, w.video_id, key
    ORDER BY w.creator_id, w.video_id, key
    ON CONFLICT (creator_id, video_id, key) DO UPDATE SET run_id = excluded.run_id WHERE excluded.run_id > u.run_id
)
SELECT key FROM kept

-- name: release
-- A call that was not made, or gave nothing: whoever wants the same may try.
WITH tried AS (
    UPDATE journal.providers SET probe = NULL, probe_until = NULL WHERE probe = $1::uuid
)
DELETE FROM journal.calls WHERE token = $1::uuid

-- name: renew
UPDATE journal.calls SET lease_until = now() + make_interval(secs => $2) WHERE token = ANY($1::uuid[])

-- name: spends_of
SELECT token, usage, model, quantity, cost_micro_usd, keys, told
FROM journal.spends WHERE input_id = $1 AND function = $2 ORDER BY spent_at, token

-- name: spends_of_the_past
-- Spends whose run is over and whose usage was not told: a call that lost a race, or a worker that died at the end.
SELECT DISTINCT ON (s.token)
    s.token, s.usage, s.model, s.quantity, s.cost_micro_usd, s.keys, s.told,
    s.function, s.input_id, s.run_id, s.creator_id, s.video_id, r.fingerprint, r.first_started_at
FROM journal.spends AS s
JOIN journal.runs AS r USING (input_id, function)
WHERE NOT s.told AND r.ending IS NOT NULL AND r.told
ORDER BY s.token, r.first_started_at DESC
LIMIT 500

-- name: told
UPDATE journal.spends SET told = true WHERE token = ANY($1::uuid[])
