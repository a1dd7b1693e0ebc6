-- What the command line asks of the tables, beside projections/sql/questions.sql.

-- name: run
-- One run of a video, whatever newer runs say.
SELECT status, error FROM runs WHERE (creator_id, video_id, run_id) = ($1, $2, $3)

-- name: paid_calls
-- Of the given runs: provider calls that were made, and those of earlier runs whose answers served again.
WITH mine AS (SELECT unnest($1::uuid[]) AS run_id),
used AS (
    SELECT DISTINCT u.creator_id, u.video_id, u.kind, u.model
    FROM usage AS u JOIN mine USING (run_id) WHERE u.memoized
)
SELECT
    (SELECT count(*) FROM usage AS u JOIN mine USING (run_id) WHERE NOT u.memoized) AS paid,
    (
        SELECT count(*) FROM usage AS u JOIN used USING (creator_id, video_id, kind, model)
        WHERE NOT u.memoized AND u.run_id NOT IN (SELECT run_id FROM mine)
    ) AS remembered
