-- name: by_words
-- Chunks that hold the words, in the sets that are served. Any of the words counts, more of them and nearer rank higher.
-- What is said of the best is looked up when they are known: two frequent words are in thousands.
WITH asked AS (
    SELECT replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery AS query
),

best AS MATERIALIZED (
    SELECT
        c.creator_id, c.video_id, c.chunk_set_id, c."index", c.body, c.start_seconds, c.end_seconds,
        ts_rank_cd(c.lexemes, asked.query) AS rank
    FROM asked, chunks AS c
    JOIN served AS s USING (creator_id, video_id, chunk_set_id)
    WHERE c.lexemes @@ asked.query AND ($2::text IS NULL OR c.creator_id = $2)
    ORDER BY rank DESC, c.creator_id, c.video_id, c."index"
    LIMIT $3
)

SELECT
    b.creator_id, b.video_id, b.chunk_set_id, b."index", b.body, b.start_seconds, b.end_seconds, v.title,
    t.transcript_id, t.topic, t."partition", t."offset"
FROM best AS b
JOIN videos AS v USING (creator_id, video_id)
JOIN chunk_sets AS k USING (creator_id, video_id, chunk_set_id)
JOIN transcripts AS t USING (creator_id, video_id, transcript_id)
ORDER BY b.rank DESC, b.creator_id, b.video_id, b."index"

-- name: by_meaning
-- Chunks whose vectors are nearest the question's, in the sets that are served. Asked so, the planner takes half of the
-- vectors to be served, and goes through their index; of a join by four columns it expects one row, and sorts them all.
WITH nearest AS MATERIALIZED (
    SELECT e.creator_id, e.video_id, e.chunk_set_id, e."index", e.embedding_cast <=> $1::vector AS distance
    FROM embeddings AS e
    WHERE
        e.space = $2 AND ($3::text IS NULL OR e.creator_id = $3)
        AND coalesce(e.chunk_set_id = (
            SELECT s.chunk_set_id FROM served AS s
            WHERE (s.creator_id, s.video_id, s.space) = (e.creator_id, e.video_id, e.space)
        ), false)
    ORDER BY distance
    LIMIT $4
)

SELECT
    n.creator_id, n.video_id, n.chunk_set_id, n."index", c.body, c.start_seconds, c.end_seconds, v.title,
    t.transcript_id, t.topic, t."partition", t."offset"
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

-- name: spoken
-- What was said in a part of each of some transcripts, in their order. Whole ones are large: an hour with the time of each
-- word is half a megabyte.
SELECT (
    SELECT jsonb_agg(s.segment ORDER BY s.place)
    FROM jsonb_array_elements(t.segments) WITH ORDINALITY AS s (segment, place)
    WHERE (s.segment ->> 'end')::float8 >= w.begins AND (s.segment ->> 'start')::float8 <= w.ends
) AS segments
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::float8[], $5::float8[])
    WITH ORDINALITY AS w (creator_id, video_id, transcript_id, begins, ends, number)
LEFT JOIN transcripts AS t USING (creator_id, video_id, transcript_id)
ORDER BY w.number

-- name: best_passages
-- Of the passages of each chunk the number of the one that holds most of the words.
WITH asked AS (
    SELECT
        replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery AS query,
        tsvector_to_array(to_tsvector('english', $1)) AS lexemes
)
SELECT DISTINCT ON (p.chunk) p.chunk, p.number
FROM asked, unnest($2::int4[], $3::int4[], $4::text[]) AS p (chunk, number, text)
CROSS JOIN LATERAL to_tsvector('english', p.text) AS said
ORDER BY
    p.chunk,
    (SELECT count(DISTINCT lexeme) FROM unnest(said) WHERE lexeme = ANY (asked.lexemes)) DESC,
    ts_rank_cd(said, asked.query) DESC,
    p.number

-- name: matches
-- Which words of some passages match, and what.
SELECT w.passage, w.number, m.lexeme
FROM unnest($2::int4[], $3::int4[], $4::text[]) AS w (passage, number, text)
CROSS JOIN LATERAL unnest(to_tsvector('english', w.text)) AS m
WHERE m.lexeme = ANY (tsvector_to_array(to_tsvector('english', $1)))
ORDER BY w.passage, w.number

-- name: marked
-- Texts with the words marked, in their order.
SELECT ts_headline(
    'english', t.text, replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery,
    E'HighlightAll=true, StartSel=\x02, StopSel=\x03'
) AS text
FROM unnest($2::text[]) WITH ORDINALITY AS t (text, number)
ORDER BY t.number
