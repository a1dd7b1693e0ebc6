-- name: checkpoints
SELECT topic, "partition", next_offset FROM checkpoints

-- name: keep_digests
-- What the live rows are now, to be compared later. The copy takes seconds; folding the log may take hours.
CREATE UNLOGGED TABLE scratch.live_digests AS SELECT key_columns, md5(t::text) AS digest FROM table_name AS t

-- name: compare
SELECT
    key_columns,
    CASE
        WHEN folded.digest IS NULL THEN 'in the tables, and not in the log'
        WHEN live.digest IS NULL THEN 'in the log, and not in the tables'
        ELSE 'differs'
    END AS what,
    count(*) OVER () AS total
FROM live_digests AS live
FULL JOIN (SELECT key_columns, md5(t::text) AS digest FROM table_name AS t) AS folded USING (key_columns)
WHERE live.digest IS DISTINCT FROM folded.digest
ORDER BY key_columns
LIMIT $1

-- name: chunks_without_vector
-- Of live sets that search uses. Others are pruned, or still growing.
SELECT
    format('chunk %s of set %s has no vector in %s (video %s of %s)',
        c."index", c.chunk_set_id, s.space, c.video_id, c.creator_id) AS what,
    count(*) OVER () AS total
FROM served AS s
JOIN chunks AS c USING (creator_id, video_id, chunk_set_id)
LEFT JOIN embeddings AS e
    ON (e.space, e.creator_id, e.video_id, e.chunk_set_id, e."index")
        = (s.space, c.creator_id, c.video_id, c.chunk_set_id, c."index")
WHERE e.vector_version IS NULL
ORDER BY c.creator_id, c.video_id, c."index"
LIMIT $1

-- name: vectors_without_chunk
-- A set and its chunks are folded at once: where the set is known, a vector's chunk is too. Before, it may be on its way.
SELECT
    format('vector %s of set %s in %s has no chunk (video %s of %s)',
        e."index", e.chunk_set_id, e.space, e.video_id, e.creator_id) AS what,
    count(*) OVER () AS total
FROM embeddings AS e
JOIN chunk_sets AS k USING (creator_id, video_id, chunk_set_id)
LEFT JOIN chunks AS c USING (creator_id, video_id, chunk_set_id, "index")
WHERE c.text_version IS NULL
ORDER BY e.creator_id, e.video_id, e."index"
LIMIT $1

-- name: unfilled_sets
-- The newest set of each video and space that the log calls complete, where the log does not hold all of it.
WITH completed AS (
    SELECT
        e.creator_id, e.video_id, e.chunk_set_id, e.space, e.chunk_count,
        row_number() OVER (
            PARTITION BY e.creator_id, e.video_id, e.space
            ORDER BY t.made_version || e.complete_version DESC NULLS LAST
        ) AS place
    FROM embedded_sets AS e
    LEFT JOIN chunk_sets AS k USING (creator_id, video_id, chunk_set_id)
    LEFT JOIN transcripts AS t USING (creator_id, video_id, transcript_id)
    LEFT JOIN spaces AS s USING (space)
    WHERE s.state IS DISTINCT FROM 'retired' AND (s.retired_version < e.complete_version) IS NOT FALSE
), counted AS (
    SELECT
        w.*,
        (
            SELECT count(*) FROM chunks AS c
            WHERE (c.creator_id, c.video_id, c.chunk_set_id) = (w.creator_id, w.video_id, w.chunk_set_id)
        ) AS chunks,
        (
            SELECT count(*) FROM embeddings AS v
            WHERE (v.space, v.creator_id, v.video_id, v.chunk_set_id)
                = (w.space, w.creator_id, w.video_id, w.chunk_set_id)
        ) AS vectors
    FROM completed AS w
    WHERE w.place = 1
)
SELECT
    format('set %s in %s is said to have %s chunks; the log holds %s chunks and %s vectors of it (video %s of %s)',
        chunk_set_id, space, chunk_count, chunks, vectors, video_id, creator_id) AS what,
    count(*) OVER () AS total
FROM counted
WHERE chunks < chunk_count OR vectors < chunk_count
ORDER BY creator_id, video_id, space
LIMIT $1

-- name: open_runs
-- Requests without an ending: where each was asked for, and where the transcript stands that it gave, if it did.
SELECT
    r.creator_id, r.video_id, r.run_id, r.status,
    r.topic, r."partition", r."offset",
    t.topic AS next_topic, t."partition" AS next_partition, t."offset" AS next_offset
FROM runs AS r
LEFT JOIN LATERAL (
    SELECT topic, "partition", "offset" FROM transcripts
    WHERE (creator_id, video_id, run_id) = (r.creator_id, r.video_id, r.run_id)
    ORDER BY made_version DESC
    LIMIT 1
) AS t ON true
WHERE r.asked_version IS NOT NULL AND r.status NOT IN ('completed', 'failed', 'cancelled')
ORDER BY r.creator_id, r.video_id, r.run_id
