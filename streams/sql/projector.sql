-- name: lock
-- One projector at a time decides about a video. Taken before any row, in one order, so that two never wait in a ring.
SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest($1::text[]) AS t (name) ORDER BY name

-- name: checkpoints
SELECT topic_id, topic, "partition", partitions, next_offset FROM checkpoints WHERE "group" = $1

-- name: forget_older
-- What was folded of a topic that was made anew stays in the tables; where it stood means nothing in the new one.
DELETE FROM checkpoints WHERE "group" = $1 AND topic = ANY($2::text[]) AND NOT topic_id = ANY($3::text[])

-- name: recount
UPDATE checkpoints AS c SET partitions = t.partitions
FROM unnest($2::text[], $3::int[]) AS t (topic_id, partitions)
WHERE c."group" = $1 AND c.topic_id = t.topic_id

-- name: move
-- Compare and set: a row comes back for each checkpoint that stood where it was expected (null: it was not there).
-- A rewind does not take it back: the tables hold what they held, and are what the log says up to there all the while.
WITH moved AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::int[], $6::bigint[], $7::bigint[])
        AS m ("group", topic_id, topic, "partition", partitions, expected, next_offset)
), updated AS (
    UPDATE checkpoints AS c SET next_offset = greatest(c.next_offset, m.next_offset), partitions = m.partitions
    FROM moved AS m
    WHERE (c."group", c.topic_id, c."partition") = (m."group", m.topic_id, m."partition")
        AND c.next_offset = m.expected
    RETURNING c.topic_id
), inserted AS (
    INSERT INTO checkpoints ("group", topic_id, topic, "partition", partitions, next_offset)
    SELECT "group", topic_id, topic, "partition", partitions, next_offset FROM moved WHERE expected IS NULL
    ON CONFLICT DO NOTHING
    RETURNING topic_id
)
SELECT topic_id FROM updated UNION ALL SELECT topic_id FROM inserted
