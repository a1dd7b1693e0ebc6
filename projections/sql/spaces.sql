-- name: states
-- The spaces, best first: the one that search uses, the ones before it, the others.
SELECT space, coalesce(state, 'registered') AS state
FROM spaces
ORDER BY activated_version DESC NULLS LAST, space

-- name: list
-- The spaces, best first, with how many videos have a complete set in each, and how many search serves from it.
SELECT
    s.space, coalesce(s.state, 'registered') AS state, s.activated_at, s.retired_at,
    s.activated_version IS NOT NULL AS activated,
    coalesce(filled.videos, 0) AS videos,
    (SELECT count(*) FROM served AS v WHERE v.space = s.space) AS served,
    (SELECT count(*) FROM embeddings AS e WHERE e.space = s.space) AS vectors
FROM spaces AS s
LEFT JOIN (
    SELECT e.space, count(DISTINCT (e.creator_id, e.video_id)) AS videos
    FROM embedded_sets AS e
    JOIN spaces USING (space)
    WHERE (spaces.retired_version < e.complete_version) IS NOT FALSE
    GROUP BY e.space
) AS filled USING (space)
ORDER BY s.activated_version DESC NULLS LAST, s.space

-- name: videos
-- How many videos have a transcript.
SELECT count(DISTINCT (creator_id, video_id)) FROM transcripts

-- name: lacking
-- Videos with a transcript and without a complete set in a space. $2, $3: only of these.
SELECT DISTINCT t.creator_id, t.video_id
FROM transcripts AS t
WHERE
    NOT EXISTS (
        SELECT FROM embedded_sets AS e
        LEFT JOIN spaces AS s USING (space)
        WHERE
            e.space = $1 AND (e.creator_id, e.video_id) = (t.creator_id, t.video_id)
            AND (s.retired_version < e.complete_version) IS NOT FALSE
    )
    AND ($2::text[] IS NULL OR (t.creator_id, t.video_id) IN (SELECT * FROM unnest($2::text[], $3::text[])))
ORDER BY t.creator_id, t.video_id

-- name: transcripts
-- The newest transcripts of some videos.
SELECT DISTINCT ON (creator_id, video_id) creator_id, video_id, body, language, model, duration_seconds, segments
FROM transcripts
WHERE (creator_id, video_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY creator_id, video_id, made_version DESC

-- name: endings
-- How some runs ended, those that did.
SELECT run_id, status FROM runs
WHERE run_id = ANY($1::uuid[]) AND status IN ('completed', 'failed', 'cancelled')

-- name: open_requests
-- Requests to embed again that are not over, with where they stand on the log.
SELECT creator_id, video_id, run_id, topic, "partition", "offset" FROM runs
WHERE topic = 'chunk.requested' AND status NOT IN ('completed', 'failed', 'cancelled')

-- name: passages
-- Words from the middle of some chunks that search uses, spread over all videos.
SELECT c.creator_id, c.video_id, c.start_seconds, c.body
FROM served AS s
JOIN chunks AS c USING (creator_id, video_id, chunk_set_id)
ORDER BY md5(c.video_id || c."index"), c.creator_id
LIMIT $1

-- name: nearest
-- Chunks whose vectors in a space are nearest a question's, of videos that have a complete set in another space too.
SELECT c.creator_id, c.video_id, c.start_seconds
FROM embeddings AS e
JOIN embedded_sets AS k USING (creator_id, video_id, chunk_set_id, space)
JOIN chunks AS c USING (creator_id, video_id, chunk_set_id, "index")
WHERE e.space = $2 AND EXISTS (
    SELECT FROM embedded_sets AS o
    WHERE o.space = $3 AND (o.creator_id, o.video_id) = (e.creator_id, e.video_id)
)
ORDER BY e.embedding_cast <=> $1::vector
LIMIT $4
