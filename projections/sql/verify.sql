-- name: checkpoints
SELECT topic, "partition", next_offset FROM checkpoints

-- name: digests
SELECT key_columns, md5(t::text) AS digest FROM table_name AS t

-- name: open_runs
SELECT creator_id, video_id, run_id, status
FROM runs
WHERE asked_version IS NOT NULL AND status NOT IN ('completed', 'failed', 'cancelled')
ORDER BY creator_id, video_id, run_id
