-- name: unindexed
-- Partitions of the embeddings, in the schema that search_path names first, without an index for neighbours.
SELECT c.relname AS name
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'embeddings'::regclass AND c.relkind = 'r' AND to_regclass(c.relname || '_ann') IS NULL
