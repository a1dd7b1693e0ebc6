-- name: ask
INSERT INTO journal.chosen ("group", topic_id, topic, "partition", "offset", number, reemit)
SELECT $1, *, $6, $7 FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[])
ORDER BY 2, 4, 5
ON CONFLICT ("group", topic_id, "partition", "offset") DO UPDATE SET number = excluded.number, reemit = excluded.reemit

-- name: open
SELECT "group", topic, "partition", "offset", number, reemit
FROM journal.chosen WHERE "group" = ANY($1::text[]) AND topic_id = ANY($2::text[])
ORDER BY topic, "partition", "offset"
LIMIT 5000

-- name: done
DELETE FROM journal.chosen AS c
USING unnest($2::text[], $3::int[], $4::bigint[], $5::int[]) AS d (topic, "partition", "offset", number)
WHERE c."group" = $1 AND (c.topic, c."partition", c."offset", c.number) = (d.topic, d."partition", d."offset", d.number)
