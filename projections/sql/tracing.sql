-- name: stages
-- What each function did in a run of a video, from the journal.
SELECT
    function, fingerprint, input_id, attempts, crashes, ending, error,
    coalesce(begun_at, to_timestamp(first_started_at / 1e6)) AS began_at, ended_at, next_attempt_at,
    extract(epoch FROM ended_at - begun_at)::float8 AS seconds,
    lease_token IS NOT NULL AND lease_until >= now() AS leased,
    to_timestamp(first_started_at / 1e6) AS first_began_at
FROM journal.runs
WHERE (creator_id, video_id) = ($1, $2) AND run_id = $3
ORDER BY first_started_at, function

-- name: trails
-- What the attempts of these runs did step by step, since the runs were begun the last time.
SELECT t.function, t.fingerprint, t.input_id, t.attempt, t.crashes, t.begun_at, t.seconds, t.trail
FROM journal.trails AS t JOIN journal.runs AS r USING (function, fingerprint, input_id)
WHERE (r.creator_id, r.video_id) = ($1, $2) AND r.run_id = $3 AND t.begun_at >= coalesce(r.begun_at, t.begun_at)
ORDER BY t.begun_at

-- name: spends
SELECT function, input_id, usage, model, quantity, cost_micro_usd, spent_at
FROM journal.spends
WHERE input_id = ANY($1::uuid[])
ORDER BY spent_at, token

-- name: windows
-- The runs of a video with where their requests stand, the newest first: its events are of these times.
SELECT run_id, topic, "partition", "offset", changed_at, status IN ('completed', 'failed', 'cancelled') AS over
FROM runs
WHERE creator_id = $1 AND video_id = $2 AND ($3::uuid IS NULL OR run_id = $3) AND status IS NOT NULL
ORDER BY run_id DESC
LIMIT 100
