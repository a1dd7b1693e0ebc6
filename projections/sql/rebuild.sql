-- name: marks
-- How far a side has come.
SELECT topic_id, "partition", next_offset FROM new_side.checkpoints

-- name: lag
-- Events below some marks that a side has not folded.
SELECT coalesce(sum(greatest(0, m.next_offset - coalesce(n.next_offset, 0))), 0)::bigint
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS m (topic_id, "partition", next_offset)
LEFT JOIN new_side.checkpoints AS n USING (topic_id, "partition")

-- name: differences
SELECT
    count(*) FILTER (WHERE o.digest IS NULL) AS added,
    count(*) FILTER (WHERE n.digest IS NULL) AS gone,
    count(*) FILTER (WHERE o.digest <> n.digest) AS changed
FROM (SELECT key_columns, md5(t::text) AS digest FROM old_side.table_name AS t) AS o
FULL JOIN (SELECT key_columns, md5(t::text) AS digest FROM new_side.table_name AS t) AS n USING (key_columns)
WHERE o.digest IS DISTINCT FROM n.digest
