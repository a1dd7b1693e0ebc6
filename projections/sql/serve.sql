-- name: places
-- The place of every chunk set of the given videos, in each of its spaces. A set whose transcript is not folded yet has
-- none: it is neither served nor pruned. An incomplete set's place is shorter: it is compared by as much as it has.
WITH touched AS (
    SELECT * FROM unnest($1::text[], $2::text[]) AS t (creator_id, video_id)
)
SELECT
    s.creator_id, s.video_id, s.chunk_set_id, space.name AS space,
    t.made_version || coalesce(e.complete_version, substring(s.cut_version FOR 16)) AS place,
    jsonb_array_length(s.spaces) AS spaces,
    coalesce(
        e.chunk_count IS NOT NULL
        AND e.chunk_count <= (
            SELECT count(*) FROM chunks AS c
            WHERE (c.creator_id, c.video_id, c.chunk_set_id) = (s.creator_id, s.video_id, s.chunk_set_id)
        )
        AND e.chunk_count <= (
            SELECT count(*) FROM embeddings AS v
            WHERE (v.space, v.creator_id, v.video_id, v.chunk_set_id)
                = (space.name, s.creator_id, s.video_id, s.chunk_set_id)
        ), false
    ) AS complete,
    coalesce(s.cut_version < known.retired_version, false) AS gone
FROM chunk_sets AS s
JOIN touched USING (creator_id, video_id)
JOIN transcripts AS t USING (creator_id, video_id, transcript_id)
CROSS JOIN LATERAL jsonb_array_elements_text(s.spaces) AS space (name)
LEFT JOIN spaces AS known ON known.space = space.name
LEFT JOIN embedded_sets AS e
    ON (e.creator_id, e.video_id, e.chunk_set_id, e.space) = (s.creator_id, s.video_id, s.chunk_set_id, space.name)

-- name: spaces
-- Best first. Live ones are served from: the one activated last, then the ones before, for videos that have no set in it
-- yet.
SELECT space, coalesce(activated_version IS NOT NULL AND state <> 'retired', false) AS live, retired_version
FROM spaces
ORDER BY activated_version DESC NULLS LAST, space

-- name: decide_alone
-- Which sets are served depends on the spaces: who changes them waits for those who decide by the old ones, so that their
-- videos are seen, and nobody else begins meanwhile.
SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.spaces'))

-- name: decide_beside_others
SELECT pg_advisory_xact_lock_shared(hashtext(current_schema() || '.spaces'))

-- name: drop_retired
-- Vectors that were asked for before their space was retired, in whatever order that was folded: also where it came back.
DELETE FROM embeddings WHERE space = $1 AND vector_version < $2

-- name: drop_retired_of
-- Those of some videos.
DELETE FROM embeddings USING unnest($3::text[], $4::text[]) AS touched (creator_id, video_id)
WHERE
    embeddings.space = $1 AND embeddings.vector_version < $2
    AND (embeddings.creator_id, embeddings.video_id) = (touched.creator_id, touched.video_id)

-- name: videos_with_sets
SELECT DISTINCT creator_id, video_id FROM chunk_sets

-- name: serve
INSERT INTO served (creator_id, video_id, space, chunk_set_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ORDER BY 1, 2
ON CONFLICT (creator_id, video_id) DO UPDATE SET space = excluded.space, chunk_set_id = excluded.chunk_set_id
WHERE (served.space, served.chunk_set_id) <> (excluded.space, excluded.chunk_set_id)

-- name: unserve
DELETE FROM served USING unnest($1::text[], $2::text[]) AS gone (creator_id, video_id)
WHERE served.creator_id = gone.creator_id AND served.video_id = gone.video_id

-- name: prune_vectors
DELETE FROM embeddings USING unnest($1::text[], $2::text[], $3::text[], $4::text[])
    AS old (creator_id, video_id, chunk_set_id, space)
WHERE (embeddings.space, embeddings.creator_id, embeddings.video_id, embeddings.chunk_set_id)
    = (old.space, old.creator_id, old.video_id, old.chunk_set_id)

-- name: prune_chunks
DELETE FROM chunks USING unnest($1::text[], $2::text[], $3::text[]) AS old (creator_id, video_id, chunk_set_id)
WHERE (chunks.creator_id, chunks.video_id, chunks.chunk_set_id) = (old.creator_id, old.video_id, old.chunk_set_id)
