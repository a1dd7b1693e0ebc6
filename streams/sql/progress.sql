-- name: topics
SELECT DISTINCT "group", topic, topic_id, partitions FROM journal.progress WHERE "group" = ANY($1::text[])

-- name: known
SELECT topic, "partition", next_offset, number, reemit, wanted_offset, wanted_number, wanted_reemit
FROM journal.progress WHERE "group" = $1 AND topic_id = ANY($2::text[])

-- name: note
-- A wish is over when the group stands under its number; one that came meanwhile stays.
INSERT INTO journal.progress AS p ("group", topic_id, topic, "partition", partitions, next_offset, number, reemit)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::int[], $5::int[], $6::bigint[], $7::int[], $8::bool[])
ORDER BY 2, 4
ON CONFLICT ("group", topic_id, "partition") DO UPDATE SET
    partitions = excluded.partitions,
    next_offset = excluded.next_offset,
    number = excluded.number,
    reemit = excluded.reemit,
    wanted_offset = CASE WHEN p.wanted_number <= excluded.number THEN NULL ELSE p.wanted_offset END
WHERE p.number <= excluded.number

-- name: moved
UPDATE journal.progress AS p SET next_offset = greatest(p.next_offset, m.next_offset)
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::int[]) AS m (topic_id, "partition", next_offset, number)
WHERE p."group" = $1 AND (p.topic_id, p."partition", p.number) = (m.topic_id, m."partition", m.number)

-- name: wanted
SELECT "group", topic, "partition", wanted_offset, wanted_number, wanted_reemit
FROM journal.progress WHERE "group" = ANY($1::text[]) AND wanted_offset IS NOT NULL

-- name: number
SELECT nextval('journal.rewinds')

-- name: forget_older
DELETE FROM journal.progress WHERE "group" = $1 AND topic = ANY($3::text[]) AND NOT topic_id = ANY($2::text[])

-- name: recount
-- Topics that have grown: their offsets mean what they meant.
UPDATE journal.progress AS p SET partitions = t.partitions
FROM unnest($2::text[], $3::int[]) AS t (topic_id, partitions)
WHERE p."group" = $1 AND p.topic_id = t.topic_id

-- name: want
INSERT INTO journal.progress (
    "group", topic_id, topic, "partition", partitions, wanted_offset, wanted_number, wanted_reemit
)
SELECT $1, *, $7, $8 FROM unnest($2::text[], $3::text[], $4::int[], $5::int[], $6::bigint[])
ORDER BY 2, 4
ON CONFLICT ("group", topic_id, "partition") DO UPDATE SET
    partitions = excluded.partitions,
    wanted_offset = excluded.wanted_offset,
    wanted_number = excluded.wanted_number,
    wanted_reemit = excluded.wanted_reemit

-- name: withdraw
UPDATE journal.progress SET wanted_offset = NULL WHERE "group" = $1 AND wanted_number = $2

-- name: typical_seconds
-- How long the last runs of a function took, from their beginning to their last paid call.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FROM (
    SELECT extract(epoch FROM max(s.spent_at)) - r.first_started_at / 1e6 AS took
    FROM journal.runs AS r JOIN journal.spends AS s USING (function, input_id)
    WHERE r.function = $1 AND r.ending = 'completed' AND r.attempts = 1
    GROUP BY r.fingerprint, r.input_id, r.first_started_at
    ORDER BY r.first_started_at DESC
    LIMIT 200
) AS last
