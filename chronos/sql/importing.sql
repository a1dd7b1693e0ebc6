-- name: here
-- Of videos and the runs under which they are imported: which are in the tables already, and which were deleted here
-- since.
SELECT
    asked.creator_id, asked.video_id,
    EXISTS (
        SELECT FROM runs AS r
        WHERE (r.creator_id, r.video_id, r.run_id) = (asked.creator_id, asked.video_id, asked.run_id)
            AND r.status = 'completed'
    ) AS here,
    EXISTS (
        SELECT FROM deleted AS d
        WHERE (d.creator_id, d.video_id) = (asked.creator_id, asked.video_id) AND d.run_id > asked.run_id
    ) AS deleted
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS asked (creator_id, video_id, run_id)

-- name: fingerprints
-- Under what each function has begun its newest run here.
SELECT DISTINCT ON (function) function, fingerprint FROM journal.runs
WHERE begun_at IS NOT NULL
ORDER BY function, begun_at DESC
