-- name: by_words
-- Chunks that hold the words, in the sets that are served. Any of the words counts, more of them and nearer rank higher.
WITH asked AS (
    SELECT replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery AS query
)
SELECT
    c.creator_id, c.video_id, c.chunk_set_id, c."index", c.body, c.start_seconds, c.end_seconds,
    v.title, t.segments, t.topic, t."partition", t."offset"
FROM asked, chunks AS c
JOIN served AS s USING (creator_id, video_id, chunk_set_id)
JOIN videos AS v USING (creator_id, video_id)
JOIN chunk_sets AS k USING (creator_id, video_id, chunk_set_id)
JOIN transcripts AS t USING (creator_id, video_id, transcript_id)
WHERE c.lexemes @@ asked.query AND ($2::text IS NULL OR c.creator_id = $2)
ORDER BY ts_rank_cd(c.lexemes, asked.query) DESC, c.creator_id, c.video_id, c."index"
LIMIT $3

-- name: by_meaning
-- Chunks whose vectors are nearest the question's, in the sets that are served.
WITH nearest AS MATERIALIZED (
    SELECT e.creator_id, e.video_id, e.chunk_set_id, e."index", e.embedding_cast <=> $1::vector AS distance
    FROM embeddings AS e
    JOIN served AS s USING (creator_id, video_id, chunk_set_id, space)
    WHERE e.space = $2 AND ($3::text IS NULL OR e.creator_id = $3)
    ORDER BY distance
    LIMIT $4
)
SELECT
    n.creator_id, n.video_id, n.chunk_set_id, n."index", c.body, c.start_seconds, c.end_seconds, v.title, t.segments,
    t.topic, t."partition", t."offset"
FROM nearest AS n
JOIN chunks AS c USING (creator_id, video_id, chunk_set_id, "index")
JOIN videos AS v USING (creator_id, video_id)
JOIN chunk_sets AS k USING (creator_id, video_id, chunk_set_id)
JOIN transcripts AS t USING (creator_id, video_id, transcript_id)
ORDER BY n.distance, n.creator_id, n.video_id, n."index"

-- name: spaces_in_search
-- The spaces that videos are served from, best first.
SELECT space FROM spaces
WHERE
    activated_version IS NOT NULL AND state <> 'retired'
    AND EXISTS (SELECT FROM served WHERE served.space = spaces.space)
ORDER BY activated_version DESC

-- name: best_passage
-- Of some passages the number of the one that holds most of the words.
WITH asked AS (
    SELECT replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery AS query
)
SELECT p.number
FROM asked, unnest($2::text[]) WITH ORDINALITY AS p (text, number)
ORDER BY
    (
        SELECT count(DISTINCT lexeme)
        FROM unnest(to_tsvector('english', p.text))
        WHERE lexeme = ANY (tsvector_to_array(to_tsvector('english', $1)))
    ) DESC,
    ts_rank_cd(to_tsvector('english', p.text), asked.query) DESC,
    p.number
LIMIT 1

-- name: matches
-- Which of some words match, and what.
SELECT w.number, m.lexeme
FROM unnest($2::text[]) WITH ORDINALITY AS w (text, number)
CROSS JOIN LATERAL unnest(to_tsvector('english', w.text)) AS m
WHERE m.lexeme = ANY (tsvector_to_array(to_tsvector('english', $1)))
ORDER BY w.number

-- name: marked
-- A text with the words marked.
SELECT ts_headline(
    'english', $2, replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery,
    E'HighlightAll=true, StartSel=\x02, StopSel=\x03'
)
