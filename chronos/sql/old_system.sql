-- name: columns
SELECT attname::text AS name FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped

-- name: count
SELECT count(*) FROM :"videos"

-- name: videos
-- `:"…"` is a name of the old system's, quoted where it is put in; NULL where it has no such column.
SELECT
    v.:"videos.id"::text AS id, v.:"videos.creator"::text AS creator, v.:"videos.title"::text AS title,
    v.:"videos.path"::text AS path, v.:"videos.filename"::text AS filename, v.:"videos.status"::text AS status,
    v.:"videos.duration"::float8 AS duration, v.:"videos.created"::timestamptz AS created
FROM :"videos" AS v
ORDER BY 1

-- name: transcripts
-- The newest of each video.
SELECT DISTINCT ON (v.:"videos.id")
    v.:"videos.id"::text AS video, t.:"transcripts.text"::text AS text, t.:"transcripts.segments"::text AS segments,
    t.:"transcripts.language"::text AS language, t.:"transcripts.model"::text AS model
FROM :"transcripts" AS t
JOIN :"videos" AS v ON t.:"transcripts.video" = v.:"videos.id"
WHERE v.:"videos.id"::text = ANY($1::text[])
ORDER BY v.:"videos.id", t.:"transcripts.created"::timestamptz DESC NULLS LAST

-- name: chunks
SELECT
    v.:"videos.id"::text AS video, c.:"chunks.text"::text AS text, c.:"chunks.start"::float8 AS start,
    c.:"chunks.end"::float8 AS end, c.:"chunks.tokens"::int8 AS tokens, c.:"chunks.vector"::real[] AS vector
FROM :"chunks" AS c
JOIN :"videos" AS v ON c.:"chunks.video" = v.:"videos.id"
WHERE v.:"videos.id"::text = ANY($1::text[])
ORDER BY 1, c.:"chunks.index"
