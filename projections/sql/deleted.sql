-- name: marks
SELECT creator_id, video_id, run_id
FROM deleted JOIN unnest($1::text[], $2::text[]) AS t (creator_id, video_id) USING (creator_id, video_id)

-- name: rows
-- Rows in which nothing is newer than the deletion of their video: a version begins with its run.
DELETE FROM table_name AS t
USING unnest($1::text[], $2::text[], $3::uuid[]) AS gone (creator_id, video_id, run_id)
WHERE (t.creator_id, t.video_id) = (gone.creator_id, gone.video_id) AND greatest(its_versions) < uuid_send(gone.run_id)

-- name: registers
-- What is older in the rows that stay.
UPDATE table_name AS t SET its_registers
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS gone (creator_id, video_id, run_id)
WHERE (t.creator_id, t.video_id) = (gone.creator_id, gone.video_id) AND least(its_versions) < uuid_send(gone.run_id)

-- name: count
SELECT count(*) FROM table_name WHERE (creator_id, video_id) = ($1, $2)
