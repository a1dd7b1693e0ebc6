-- name: load
-- Runs that are under way, by function and creator. Running ones hold a lease; the others wait: for their turn, for what
-- another function has still to say, or for another try.
WITH leased AS MATERIALIZED (
    SELECT function, creator_id, run_id FROM journal.runs WHERE lease_token IS NOT NULL AND lease_until >= now()
), known AS (
    SELECT function, creator_id, 1 AS running, 0 AS waiting FROM leased
    UNION ALL
    SELECT
        CASE WHEN r.topic = 'chunk.requested' OR r.status IN ('processing', 'embedding')
            THEN 'generate-embeddings' ELSE 'transcribe-video' END,
        r.creator_id, 0, 1
    FROM runs AS r
    WHERE
        r.status IN ('pending', 'transcribing', 'processing', 'embedding')
        AND NOT EXISTS (SELECT FROM leased AS l WHERE l.run_id = r.run_id)
)
SELECT function, creator_id, sum(running)::bigint AS running, sum(waiting)::bigint AS waiting
FROM known
GROUP BY function, creator_id
ORDER BY sum(running) + sum(waiting) DESC, function, creator_id
LIMIT $1

-- name: durations
-- How long the runs took that completed within the last hour, from the first attempt to the ending, their waits for
-- another try with them. What was only said again counts as well: it is work too.
SELECT
    function, count(*) AS runs,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS p50_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS p95_seconds
FROM (
    SELECT function, extract(epoch FROM ended_at - begun_at)::float8 AS took FROM journal.runs
    WHERE ended_at > now() - interval '1 hour' AND ending = 'completed' AND begun_at IS NOT NULL
) AS ended
GROUP BY function

-- name: throughput
-- Runs that ended within the last hour, by minute and function; a minute without any is not there.
SELECT
    date_trunc('minute', ended_at) AS minute, function,
    count(*) FILTER (WHERE ending = 'completed') AS completed,
    count(*) FILTER (WHERE ending = 'failed') AS failed,
    count(*) FILTER (WHERE ending = 'cancelled') AS cancelled
FROM journal.runs
WHERE ended_at > now() - interval '1 hour'
GROUP BY minute, function
ORDER BY minute, function

-- name: cost_today
-- What was paid since midnight (UTC), and what remembering has saved.
SELECT
    coalesce(sum(cost_micro_usd) FILTER (WHERE NOT memoized), 0)::bigint AS paid_micro_usd,
    coalesce(sum(cost_micro_usd) FILTER (WHERE memoized), 0)::bigint AS saved_micro_usd
FROM usage
WHERE recorded_at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'

-- name: tables_answer
SELECT EXISTS (SELECT FROM videos), EXISTS (SELECT FROM journal.identity)
