-- name: unindexed
-- Partitions of the embeddings, in the schema that search_path names first, without an index for neighbours. Where its
-- building was interrupted, what is left of it is there and not valid: no search uses it, and each write pays for it.
SELECT c.relname AS name
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'embeddings'::regclass AND c.relkind = 'r' AND NOT EXISTS (
    SELECT FROM pg_index AS x WHERE x.indexrelid = to_regclass(c.relname || '_ann') AND x.indisvalid
)

-- name: lock_index
-- Never waited for: who waits holds a snapshot, and building an index beside running reads waits for all of them.
SELECT pg_try_advisory_lock(hashtextextended('chronos.index ' || current_schema() || '.' || $1::text, 0))

-- name: unlock_index
SELECT pg_advisory_unlock(hashtextextended('chronos.index ' || current_schema() || '.' || $1::text, 0))
