-- name: begin
-- Grants runs: new ones, those whose wait is over, those whose owner died. A row that is not granted is not returned.
INSERT INTO journal.runs AS r (
    function, fingerprint, input_id, run_id, creator_id, video_id, rewind, first_started_at, attempts,
    lease_token, lease_until
)
SELECT
    function, fingerprint, input_id, run_id, creator_id, video_id, rewind,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 1, token, now() + make_interval(secs => $9)
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::int[], $8::uuid[])
    AS asked (function, fingerprint, input_id, run_id, creator_id, video_id, rewind, token)
ORDER BY function, fingerprint, input_id -- two workers lock in one order
ON CONFLICT (function, fingerprint, input_id) DO UPDATE SET
    attempts = CASE
        WHEN r.rewind < excluded.rewind AND r.ending = 'failed' THEN 1
        WHEN r.lease_token IS NULL THEN r.attempts + 1
        ELSE r.attempts -- the attempt of a worker that died is made again
    END,
    crashes = CASE
        WHEN r.rewind < excluded.rewind AND r.ending = 'failed' THEN 0
        WHEN r.lease_token IS NULL THEN r.crashes
        ELSE r.crashes + 1
    END,
    ending = NULL,
    error = NULL,
    told = false,
    rewind = greatest(r.rewind, excluded.rewind),
    next_attempt_at = NULL,
    lease_token = excluded.lease_token,
    lease_until = excluded.lease_until
WHERE
    (r.ending IS NULL OR (r.ending = 'failed' AND r.told AND r.rewind < excluded.rewind))
    AND (r.lease_until IS NULL OR r.lease_until < now())
    AND (r.next_attempt_at IS NULL OR r.next_attempt_at <= now())
RETURNING r.function, r.fingerprint, r.input_id, r.attempts, r.crashes, r.first_started_at

-- name: look
-- What there is of runs that were not granted. An ending that was not told yet is taken over for telling.
SELECT
    r.function, r.fingerprint, r.input_id, r.ending, r.error, r.told, r.attempts, r.first_started_at,
    greatest(
        extract(epoch FROM r.next_attempt_at - now()), extract(epoch FROM r.lease_until - now()), 0
    )::float8 AS wait
FROM journal.runs AS r
JOIN unnest($1::text[], $2::text[], $3::uuid[]) AS asked (function, fingerprint, input_id)
    USING (function, fingerprint, input_id)

-- name: settle
-- Writes how an attempt ended, if its owner still holds the lease.
UPDATE journal.runs AS r SET
    ending = coalesce(s.ending, r.ending),
    error = coalesce(s.error, r.error),
    told = s.told,
    attempts = r.attempts - s.refund,
    next_attempt_at = CASE WHEN s.wait IS NULL THEN NULL ELSE now() + make_interval(secs => s.wait) END,
    lease_token = CASE WHEN s.release THEN NULL ELSE r.lease_token END,
    lease_until = CASE WHEN s.release THEN NULL ELSE r.lease_until END
FROM unnest(
    $1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::jsonb[], $7::bool[], $8::int[], $9::float8[], $10::bool[]
) AS s (function, fingerprint, input_id, token, ending, error, told, refund, wait, release)
WHERE
    r.function = s.function AND r.fingerprint = s.fingerprint AND r.input_id = s.input_id
    AND (r.lease_token = s.token OR (s.told AND r.ending IS NOT NULL AND NOT r.told))
RETURNING r.function, r.fingerprint, r.input_id

-- name: renew
UPDATE journal.runs SET lease_until = now() + make_interval(secs => $2)
WHERE lease_token = ANY($1::uuid[])
RETURNING lease_token

-- name: recall
SELECT key, result, quantity, cost_micro_usd FROM journal.paid WHERE key = ANY($1::text[])

-- name: keep
INSERT INTO journal.paid (key, result, quantity, cost_micro_usd, token)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::float8[], $4::bigint[], $5::uuid[])
ORDER BY 1
ON CONFLICT (key) DO NOTHING

-- name: spend
INSERT INTO journal.spends (
    token, function, input_id, run_id, creator_id, video_id, usage, model, quantity, cost_micro_usd, keys
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (token) DO NOTHING

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

-- name: choose
INSERT INTO journal.choices (name, choice) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET choice = journal.choices.choice
RETURNING choice

-- name: chosen
SELECT choice FROM journal.choices WHERE name = $1

-- name: is_empty
SELECT NOT EXISTS (SELECT FROM journal.runs) AND NOT EXISTS (SELECT FROM journal.paid)

-- name: identity
SELECT id::text FROM journal.identity
