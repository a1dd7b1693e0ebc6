-- name: state
-- Each budget that is set, and each creator that one holds: what is spent and in the air today, and what is held since when.
-- A hold goes when somebody asks whether it still holds; of one that nobody asks for any more nothing is said.
WITH holding AS MATERIALIZED (
    SELECT creator_id, array_agg(function ORDER BY function) AS functions, min(since) AS since, max(needs) AS needs
    FROM journal.held
    WHERE journal.room(creator_id) < needs
    GROUP BY creator_id
)
SELECT
    c.creator_id, journal.budget(c.creator_id) AS micro_usd, b.set_at, u.spent, u.in_air,
    coalesce(h.functions, '{}') AS functions, h.since, h.needs
FROM (
    SELECT creator_id FROM journal.budgets
    UNION
    SELECT creator_id FROM holding
    UNION
    SELECT $1::text WHERE $1::text IS NOT NULL
) AS c
LEFT JOIN journal.budgets AS b USING (creator_id)
LEFT JOIN holding AS h USING (creator_id)
CROSS JOIN LATERAL journal.used_today(c.creator_id) AS u
WHERE $1::text IS NULL OR c.creator_id = $1
ORDER BY c.creator_id

-- name: room
SELECT journal.budget($1) AS micro_usd, u.spent, u.in_air FROM journal.used_today($1) AS u

-- name: set
INSERT INTO journal.budgets (creator_id, micro_usd) VALUES ($1, $2)
ON CONFLICT (creator_id) DO UPDATE SET micro_usd = excluded.micro_usd, set_at = now()

-- name: drop
DELETE FROM journal.budgets WHERE creator_id = $1 RETURNING creator_id
