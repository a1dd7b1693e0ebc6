-- name: alone
-- Runs that begin and answers that are kept look at the marks under a weaker lock: what they do is over by now, and found,
-- or comes later, and finds the mark. Reading alone, as a backup does, is not in the way.
LOCK TABLE journal.deleted IN EXCLUSIVE MODE

-- name: mark
INSERT INTO journal.deleted AS d (creator_id, video_id, run_id) VALUES ($1, $2, $3)
ON CONFLICT (creator_id, video_id) DO UPDATE SET run_id = excluded.run_id WHERE excluded.run_id > d.run_id

-- name: erase
SELECT journal.erase($1, $2, $3)

-- name: count
-- Paid results that a video uses: those that would go with it, and those that others use too.
SELECT count(*) FILTER (WHERE NOT shared) AS going, count(*) FILTER (WHERE shared) AS staying
FROM (
    SELECT EXISTS (
        SELECT FROM journal.uses AS o
        WHERE o.key = u.key AND (o.creator_id, o.video_id) <> (u.creator_id, u.video_id)
    ) AS shared
    FROM journal.uses AS u JOIN journal.paid AS p USING (key)
    WHERE (u.creator_id, u.video_id) = ($1, $2)
) AS used

-- name: deletions
SELECT creator_id, video_id, run_id FROM journal.deleted
WHERE (creator_id, video_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))

-- name: marked
-- Which of some runs are older than a deletion of their video.
SELECT a.id FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS a (id, creator_id, video_id, run_id)
JOIN journal.deleted AS d USING (creator_id, video_id)
WHERE a.run_id < d.run_id
