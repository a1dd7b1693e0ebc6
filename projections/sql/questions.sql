-- name: choose_videos
-- The videos of a batch that have a transcript, each with its newest one's place on the log.
SELECT v.creator_id, v.video_id, t.topic, t."partition", t."offset"
FROM videos AS v
JOIN LATERAL (
    SELECT topic, "partition", "offset", completed_at
    FROM transcripts
    WHERE (transcripts.creator_id, transcripts.video_id) = (v.creator_id, v.video_id)
    ORDER BY made_version DESC
    LIMIT 1
) AS t ON true
WHERE
    ($1::text[] IS NULL OR v.video_id = ANY($1))
    AND ($2::text IS NULL OR v.creator_id = $2)
    AND ($3::text IS NULL OR v.creator_id = $3)
    AND ($4::text IS NULL OR v.status = $4)
    AND ($5::text IS NULL OR NOT EXISTS (
        SELECT FROM embedded_sets AS e
        LEFT JOIN spaces AS s USING (space)
        WHERE
            (e.creator_id, e.video_id) = (v.creator_id, v.video_id)
            AND $5 IN (e.space, regexp_replace(e.space, '/[0-9]+$', ''))
            AND (s.retired_version < e.complete_version) IS NOT FALSE
    ))
    AND ($6::timestamptz IS NULL OR t.completed_at < $6)
ORDER BY v.creator_id, v.video_id

-- name: status
SELECT
    v.video_id, v.creator_id, v.run_id, v.status, v.title, v.duration_seconds, v.error, v.searchable,
    v.requested_at, v.changed_at, journal.holds(v.creator_id, v.status) AS held,
    (
        SELECT t.language FROM transcripts AS t
        WHERE (t.creator_id, t.video_id) = (v.creator_id, v.video_id)
        ORDER BY t.made_version DESC
        LIMIT 1
    ) AS language,
    coalesce((
        SELECT sum(u.cost_micro_usd) FROM usage AS u
        WHERE (u.creator_id, u.video_id) = (v.creator_id, v.video_id) AND NOT u.memoized
    ), 0)::bigint AS cost_micro_usd
FROM videos AS v
WHERE v.status IS NOT NULL AND ($1::text IS NULL OR v.video_id = $1) AND ($2::text IS NULL OR v.creator_id = $2)
ORDER BY v.requested_at DESC NULLS LAST, v.creator_id, v.video_id
LIMIT $3

-- name: transcript
SELECT video_id, creator_id, language, body, segments, duration_seconds, model, completed_at
FROM transcripts
WHERE video_id = $1 AND ($2::text IS NULL OR creator_id = $2)
ORDER BY made_version DESC
LIMIT 1

-- name: served_vectors
-- The chunks of a video that search uses, each with its vector.
SELECT c.start_seconds, c.end_seconds, e.embedding
FROM served AS s
JOIN chunks AS c USING (creator_id, video_id, chunk_set_id)
JOIN embeddings AS e
    ON (e.space, e.creator_id, e.video_id, e.chunk_set_id, e."index")
    = (s.space, s.creator_id, s.video_id, s.chunk_set_id, c."index")
WHERE s.creator_id = $1 AND s.video_id = $2
ORDER BY c."index"

-- name: run_status
SELECT status, error, journal.holds(creator_id, status) AS held FROM runs
WHERE (creator_id, video_id, run_id) = ($1, $2, $3::uuid) AND status IS NOT NULL

-- name: run
SELECT creator_id, video_id, status FROM runs WHERE run_id = $1::uuid AND status IS NOT NULL

-- name: request
-- Where a video's newest request stands.
SELECT topic, "partition", "offset" FROM runs
WHERE (creator_id, video_id) = ($1, $2) AND topic = $3
ORDER BY run_id DESC
LIMIT 1

-- name: transcript_place
SELECT topic, "partition", "offset" FROM transcripts
WHERE (creator_id, video_id) = ($1, $2)
ORDER BY made_version DESC
LIMIT 1

-- name: calls
-- How many paid calls some runs made, and how much of what they used was remembered.
SELECT count(*) FILTER (WHERE NOT memoized) AS paid, count(*) FILTER (WHERE memoized) AS remembered
FROM usage WHERE run_id = ANY($1::uuid[])

-- name: failures
-- Failures with what their video has come to, and what a retry could cost: how long it is, and how much of it any of its
-- runs has used of these models' results, which the journal keeps. $1: also those that no longer stand. $6: speech models of
-- single creators.
SELECT
    f.event_id, f.creator_id, f.video_id, f.run_id, f.function, f.attempts, f.error_type, f.error_message, f.retryable,
    f.topic, f."partition", f."offset", f.failed_at,
    s.standing,
    v.duration_seconds, t.bytes AS transcript_bytes,
    coalesce(heard.most, 0) AS heard_seconds, coalesce(embedded.most, 0) AS embedded_tokens
FROM failures AS f
LEFT JOIN videos AS v USING (creator_id, video_id)
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN f.function = 'send-webhooks' -- it is not the video that failed
        THEN journal.newest_ending(f.function, f.creator_id, f.video_id, f.run_id) IS NOT DISTINCT FROM 'failed'
        ELSE coalesce(v.status = 'failed' AND v.run_id = f.run_id, f.video_id IS NULL)
    END AS standing
) AS s
LEFT JOIN LATERAL (
    SELECT octet_length(body) AS bytes
    FROM transcripts
    WHERE (transcripts.creator_id, transcripts.video_id) = (f.creator_id, f.video_id)
    ORDER BY made_version DESC
    LIMIT 1
) AS t ON true
LEFT JOIN LATERAL (
    SELECT max(used) AS most FROM (
        SELECT sum(quantity) AS used FROM usage
        WHERE (usage.creator_id, usage.video_id) = (f.creator_id, f.video_id) AND kind = 'audioSeconds'
            AND model = coalesce($6::jsonb ->> f.creator_id, $4)
        GROUP BY run_id
    ) AS by_run
) AS heard ON true
LEFT JOIN LATERAL (
    SELECT max(used) AS most FROM (
        SELECT sum(quantity) AS used FROM usage
        WHERE (usage.creator_id, usage.video_id) = (f.creator_id, f.video_id) AND kind = 'inputTokens' AND model = $5
        GROUP BY run_id
    ) AS by_run
) AS embedded ON true
WHERE
    ($1 OR s.standing)
    AND ($2::text IS NULL OR f.video_id = $2)
    AND ($3::text IS NULL OR f.creator_id = $3)

-- name: known_runs
SELECT count(*) FROM runs WHERE run_id = ANY($1::uuid[])

-- name: inputs
-- What a function was given, with what can be asked of it: $1 its topic of requests, $2 the topic of transcripts if it
-- reads those, $3 the function.
WITH given AS (
    SELECT creator_id, video_id, run_id, topic, "partition", "offset", asked_at AS at
    FROM runs WHERE topic = $1
    UNION ALL
    SELECT creator_id, video_id, run_id, topic, "partition", "offset", completed_at
    FROM transcripts WHERE topic = $2
)
SELECT
    g.creator_id, g.video_id, g.topic, g."partition", g."offset", g.at, r.status, r.error ->> 'type' AS error,
    (
        SELECT coalesce(max(t.model), '') FROM transcripts AS t
        WHERE (t.creator_id, t.video_id, t.run_id) = (g.creator_id, g.video_id, g.run_id)
    ) AS model,
    j.fingerprint AS version
FROM given AS g
JOIN runs AS r USING (creator_id, video_id, run_id)
LEFT JOIN (
    SELECT DISTINCT ON (run_id) run_id, fingerprint FROM journal.runs
    WHERE function = $3
    ORDER BY run_id, first_started_at DESC
) AS j USING (run_id)
ORDER BY g.topic, g."partition", g."offset"
