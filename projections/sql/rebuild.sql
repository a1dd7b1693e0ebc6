-- name: lag
-- Events that one side has folded and the other has not.
SELECT coalesce(sum(greatest(0, o.next_offset - coalesce(n.next_offset, 0))), 0)::bigint
FROM old_side.checkpoints AS o
LEFT JOIN new_side.checkpoints AS n USING ("group", topic_id, "partition")

-- name: differences
SELECT
    count(*) FILTER (WHERE o.digest IS NULL) AS added,
    count(*) FILTER (WHERE n.digest IS NULL) AS gone,
    count(*) FILTER (WHERE o.digest <> n.digest) AS changed
FROM (SELECT key_columns, md5(t::text) AS digest FROM old_side.table_name AS t) AS o
FULL JOIN (SELECT key_columns, md5(t::text) AS digest FROM new_side.table_name AS t) AS n USING (key_columns)
WHERE o.digest IS DISTINCT FROM n.digest
