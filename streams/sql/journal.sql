-- name: begin
SELECT * FROM journal.begin_runs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: look
-- What there is of runs that were not granted. An ending that was not told yet is taken over for telling; what killed
-- three workers is to be asked for again, alone.
SELECT
    r.function, r.fingerprint, r.input_id, r.ending, r.error, r.told, r.attempts, r.crashes, r.crashes_alone,
    r.first_started_at, r.lease_token, r.reemit, journal.is_suspect(r) AS suspect,
    coalesce(extract(epoch FROM now() - r.waits_since), 0)::float8 AS waited,
    greatest(
        extract(epoch FROM r.next_attempt_at - now()), extract(epoch FROM r.lease_until - now()), 0
    )::float8 AS wait
FROM journal.runs AS r
JOIN unnest($1::text[], $2::text[], $3::uuid[]) AS asked (function, fingerprint, input_id)
    USING (function, fingerprint, input_id)

-- name: over
-- Which of many inputs need no more work.
SELECT r.input_id FROM journal.runs AS r
JOIN unnest($3::uuid[], $4::int[], $5::bool[]) AS a (input_id, rewind, reemit) USING (input_id)
WHERE r.function = $1 AND r.fingerprint = $2 AND r.ending IS NOT NULL AND r.told
    AND NOT journal.is_asked_again(r, a.rewind, a.reemit)

-- name: settle
-- Writes how an attempt ended, and its trail, if its owner still holds the lease.
UPDATE journal.runs AS r SET
    ending = coalesce(s.ending, r.ending),
    error = coalesce(s.error, r.error),
    ended_at = CASE WHEN s.ending IS NULL THEN r.ended_at ELSE clock_timestamp() END,
    told = s.told,
    attempts = r.attempts - s.refund,
    waits_since = CASE
        WHEN s.refund = 0 THEN NULL
        WHEN s.wait IS NULL THEN r.waits_since -- a shutdown
        ELSE coalesce(r.waits_since, now())
    END,
    next_attempt_at = CASE WHEN s.wait IS NULL THEN NULL ELSE now() + make_interval(secs => s.wait) END,
    lease_token = CASE WHEN s.release THEN NULL ELSE r.lease_token END,
    lease_until = CASE WHEN s.release THEN NULL ELSE r.lease_until END
FROM unnest(
    $1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::jsonb[], $7::bool[], $8::int[], $9::float8[], $10::bool[],
    $11::int[], $12::int[], $13::float8[], $14::jsonb[]
) AS s (
    function, fingerprint, input_id, token, ending, error, told, refund, wait, release, attempt, crashes, seconds, trail
)
WHERE
    r.function = s.function AND r.fingerprint = s.fingerprint AND r.input_id = s.input_id
    AND (r.lease_token = s.token OR (s.told AND r.ending IS NOT NULL AND NOT r.told))
RETURNING
    r.function, r.fingerprint, r.input_id,
    CASE WHEN s.trail IS NOT NULL THEN journal.keep_trail(r, s.attempt, s.crashes, s.seconds, s.trail) END

-- name: renew
-- Prolongs leases and keeps their trails so far; says which of their runs were cancelled.
UPDATE journal.runs AS r SET lease_until = now() + make_interval(secs => $1)
FROM unnest($2::uuid[], $3::int[], $4::int[], $5::float8[], $6::jsonb[]) AS s (token, attempt, crashes, seconds, trail)
WHERE r.lease_token = ANY($2::uuid[]) AND r.lease_token = s.token -- the former is what the index is asked with
RETURNING
    r.lease_token, EXISTS (SELECT FROM journal.cancelled AS c WHERE c.run_id = r.run_id) AS cancelled,
    CASE WHEN s.trail IS NOT NULL THEN journal.keep_trail(r, s.attempt, s.crashes, s.seconds, s.trail) END

-- name: prune
DELETE FROM journal.trails WHERE ctid IN (
    SELECT ctid FROM journal.trails WHERE begun_at < now() - make_interval(days => $1)
    LIMIT $2
    FOR UPDATE SKIP LOCKED -- other workers are at it too
)

-- name: cancel
INSERT INTO journal.cancelled (run_id) VALUES ($1) ON CONFLICT DO NOTHING

-- name: choose
INSERT INTO journal.choices (name, choice) SELECT * FROM unnest($1::text[], $2::bytea[]) ORDER BY 1
ON CONFLICT (name) DO UPDATE SET choice = journal.choices.choice
RETURNING name, choice

-- name: chosen
SELECT name, choice FROM journal.choices WHERE name = ANY($1::text[])

-- name: is_empty
SELECT NOT EXISTS (SELECT FROM journal.runs) AND NOT EXISTS (SELECT FROM journal.paid)

-- name: identity
SELECT id::text FROM journal.identity
