-- name: usage
-- What was used and paid, by creator, function, model and day (UTC). One more than asked for: then there is more.
SELECT
    creator_id, function, kind, model, (recorded_at AT TIME ZONE 'UTC')::date AS day, memoized,
    sum(quantity) AS quantity, sum(cost_micro_usd)::bigint AS cost_micro_usd
FROM usage
WHERE
    ($1::text IS NULL OR creator_id = $1)
    AND ($2::text IS NULL OR model = $2)
    AND ($3::date IS NULL OR recorded_at >= $3::date::timestamp AT TIME ZONE 'UTC')
    AND ($4::date IS NULL OR recorded_at < $4::date::timestamp AT TIME ZONE 'UTC')
    AND ($5::text IS NULL OR video_id = $5)
GROUP BY creator_id, function, kind, model, day, memoized
ORDER BY day, creator_id, function, kind, model, memoized
LIMIT $6 + 1

-- name: sums
-- The same, summed up in one look: in all, by creator, by model, by function, and by day. Who paid most comes first.
SELECT
    CASE grouping(creator_id, model, day, function)
        WHEN 7 THEN 'creators' WHEN 11 THEN 'models' WHEN 13 THEN 'days' WHEN 14 THEN 'functions' ELSE 'total'
    END AS part,
    creator_id, model, kind, day, function,
    coalesce(sum(quantity) FILTER (WHERE NOT memoized), 0) AS bought,
    coalesce(sum(quantity) FILTER (WHERE memoized), 0) AS remembered,
    coalesce(sum(cost_micro_usd) FILTER (WHERE NOT memoized), 0)::bigint AS paid_micro_usd,
    coalesce(sum(cost_micro_usd) FILTER (WHERE memoized), 0)::bigint AS saved_micro_usd
FROM (
    SELECT
        creator_id, model, kind, (recorded_at AT TIME ZONE 'UTC')::date AS day, function, memoized, quantity,
        cost_micro_usd
    FROM usage
    WHERE
        ($1::text IS NULL OR creator_id = $1)
        AND ($2::text IS NULL OR model = $2)
        AND ($3::date IS NULL OR recorded_at >= $3::date::timestamp AT TIME ZONE 'UTC')
        AND ($4::date IS NULL OR recorded_at < $4::date::timestamp AT TIME ZONE 'UTC')
        AND ($5::text IS NULL OR video_id = $5)
) AS used
GROUP BY GROUPING SETS ((creator_id), (model, kind), (day), (function), ())
ORDER BY paid_micro_usd DESC, saved_micro_usd DESC, creator_id, model, kind, day, function
