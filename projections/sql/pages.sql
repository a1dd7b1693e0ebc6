-- name: videos
-- Videos, the newest request first, from behind a place in that order. One more than asked for: then there are more.
SELECT
    v.creator_id, v.video_id, v.run_id, v.status, v.title, v.duration_seconds, v.error, v.requested_at, v.changed_at,
    coalesce(v.searchable, false) AS searchable, journal.holds(v.creator_id, v.status) AS held,
    coalesce((
        SELECT sum(u.cost_micro_usd) FROM usage AS u
        WHERE (u.creator_id, u.video_id) = (v.creator_id, v.video_id) AND NOT u.memoized
    ), 0)::bigint AS cost_micro_usd
FROM videos AS v
WHERE
    v.status IS NOT NULL
    AND ($1::text IS NULL OR v.creator_id = $1)
    AND ($2::text IS NULL OR v.status = $2)
    AND (
        $3::timestamptz IS NULL
        OR (coalesce(v.requested_at, 'epoch'), v.creator_id, v.video_id) < ($3, $4::text, $5::text)
    )
ORDER BY coalesce(v.requested_at, 'epoch') DESC, v.creator_id DESC, v.video_id DESC
LIMIT $6 + 1

-- name: video
SELECT
    v.creator_id, v.video_id, v.run_id, v.status, v.title, v.duration_seconds, v.error, v.requested_at, v.changed_at,
    v.original_filename, v.storage_path, v.codec, v.source_bytes, v.source_sha256,
    (
        SELECT t.language FROM transcripts AS t
        WHERE (t.creator_id, t.video_id) = (v.creator_id, v.video_id)
        ORDER BY t.made_version DESC
        LIMIT 1
    ) AS language,
    coalesce(v.searchable, false) AS searchable, journal.holds(v.creator_id, v.status) AS held,
    coalesce((
        SELECT sum(u.cost_micro_usd) FROM usage AS u
        WHERE (u.creator_id, u.video_id) = (v.creator_id, v.video_id) AND NOT u.memoized
    ), 0)::bigint AS cost_micro_usd
FROM videos AS v
WHERE v.creator_id = $1 AND v.video_id = $2 AND v.status IS NOT NULL

-- name: chunks
-- The chunks of a video that search uses.
SELECT c."index", c.start_seconds, c.end_seconds, c.words, c.tokens, c.body AS text
FROM served AS s
JOIN chunks AS c USING (creator_id, video_id, chunk_set_id)
WHERE s.creator_id = $1 AND s.video_id = $2
ORDER BY c."index"

-- name: video_usage
SELECT function, kind, model, memoized, sum(quantity) AS quantity, sum(cost_micro_usd)::bigint AS cost_micro_usd
FROM usage
WHERE creator_id = $1 AND video_id = $2
GROUP BY function, kind, model, memoized
ORDER BY function, kind, model, memoized

-- name: runs
-- The runs of a video, or one run by its id; the newest first, since run ids sort by time.
SELECT
    creator_id, video_id, run_id, status, error, asked_at, changed_at, topic, "partition", "offset",
    function, attempt, retry_at, retry_error, journal.holds(creator_id, status) AS held
FROM runs
WHERE
    status IS NOT NULL
    AND ($1::uuid IS NULL OR run_id = $1)
    AND ($2::text IS NULL OR creator_id = $2)
    AND ($3::text IS NULL OR video_id = $3)
ORDER BY run_id DESC
LIMIT 200

-- name: work
-- What each function did in a run: from the journal, which finds it by its video.
SELECT function, fingerprint, attempts, crashes, ending, error, to_timestamp(first_started_at / 1e6) AS started_at
FROM journal.runs
WHERE (creator_id, video_id) = ($1, $2) AND run_id = $3::uuid
ORDER BY first_started_at

-- name: run_usage
SELECT function, kind, model, memoized, sum(quantity) AS quantity, sum(cost_micro_usd)::bigint AS cost_micro_usd
FROM usage
WHERE (creator_id, video_id) = ($1, $2) AND run_id = $3::uuid
GROUP BY function, kind, model, memoized
ORDER BY function, kind, model, memoized

-- name: failures
-- What failed and still stands, the newest first. Asked so, each one's video is looked up until there are enough; a join
-- would look at all videos.
SELECT
    f.event_id, f.creator_id, f.video_id, f.run_id, f.function, f.attempts, f.error_type, f.error_message, f.retryable,
    f.topic, f."partition", f."offset", f.failed_at
FROM failures AS f
WHERE
    ($1::text IS NULL OR f.creator_id = $1)
    AND ($2::text IS NULL OR f.function = $2)
    AND ($3::text IS NULL OR f.error_type = $3)
    AND CASE
        WHEN f.function = 'send-webhooks' -- it is not the video that failed
        THEN journal.newest_ending(f.function, f.creator_id, f.video_id, f.run_id) = 'failed'
        ELSE coalesce((
            SELECT coalesce(v.status = 'failed' AND v.run_id = f.run_id, false) FROM videos AS v
            WHERE (v.creator_id, v.video_id) = (f.creator_id, f.video_id)
        ), true)
    END
ORDER BY f.failed_at DESC, f.event_id
LIMIT $4

-- name: failure_groups
-- What failed and still stands, by function and error, with the three messages of each that are said most.
WITH said AS (
    SELECT
        f.function, f.error_type, f.error_message, bool_and(f.retryable) AS retryable,
        count(*) AS failures, max(f.failed_at) AS last_at
    FROM failures AS f
    WHERE
        ($1::text IS NULL OR f.creator_id = $1)
        AND CASE
            WHEN f.function = 'send-webhooks' -- it is not the video that failed
            THEN journal.newest_ending(f.function, f.creator_id, f.video_id, f.run_id) = 'failed'
            ELSE coalesce((
                SELECT coalesce(v.status = 'failed' AND v.run_id = f.run_id, false) FROM videos AS v
                WHERE (v.creator_id, v.video_id) = (f.creator_id, f.video_id)
            ), true)
        END
    GROUP BY f.function, f.error_type, f.error_message
)
SELECT
    function, error_type, bool_and(retryable) AS retryable, sum(failures)::bigint AS failures,
    max(last_at) AS last_at, count(*) AS messages,
    (array_agg(error_message ORDER BY failures DESC, error_message))[1:3] AS most_said
FROM said
GROUP BY function, error_type
ORDER BY 4 DESC, function, error_type
LIMIT 200

-- name: run_states
-- What has become of some runs.
SELECT status, count(*) AS runs
FROM runs
WHERE run_id = ANY($1::uuid[]) AND status IS NOT NULL
GROUP BY status
ORDER BY status

-- name: folded
-- Whether the tables hold what stands at a place of the log.
SELECT EXISTS (
    SELECT FROM checkpoints WHERE topic_id = $1 AND "partition" = $2 AND next_offset > $3
)
