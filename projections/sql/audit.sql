-- name: notes
-- What the log says about money: results that ride in facts, paid calls, and when a function was done with an input, or a
-- person called a run off (no function then, and the run for the input).
CREATE UNLOGGED TABLE noted_results (key text NOT NULL);
CREATE UNLOGGED TABLE noted_calls (
    event_id uuid NOT NULL, token text, function text NOT NULL, creator_id text, video_id text, model text NOT NULL,
    quantity float8 NOT NULL, cost_micro_usd int8 NOT NULL
);
CREATE UNLOGGED TABLE noted_endings (function text NOT NULL, input_id text NOT NULL, ended_at timestamptz NOT NULL)

-- name: keep_spends
-- The journal's spends now. Over: every run of the input has an ending, and it is on the log. A run that the journal does
-- not know is not going on.
CREATE UNLOGGED TABLE scratch.journal_spends AS
SELECT
    s.token::text AS token, s.function, s.input_id::text AS input_id, s.run_id::text AS run_id, s.creator_id,
    s.video_id, s.model, s.cost_micro_usd, s.spent_at, coalesce(r.is_over, true) AS is_over, now() AS seen_at
FROM journal.spends AS s
LEFT JOIN (
    SELECT function, input_id, bool_and(ending IS NOT NULL AND told) AS is_over
    FROM journal.runs
    GROUP BY function, input_id
) AS r USING (function, input_id)

-- name: keep_results
CREATE UNLOGGED TABLE scratch.journal_results AS
SELECT key, token::text AS token, cost_micro_usd, paid_at FROM journal.paid WHERE result IS NOT NULL

-- name: sort_out
-- What the log lacks of the journal, and whether that is wrong. `going on`: its run is not over, or what tells it later
-- comes by twice a minute. `late`: the answer came when its run had ended without it, so that nothing could carry it.
CREATE UNLOGGED TABLE endings AS
SELECT token, max(ended_at) AS ended_at
FROM (
    SELECT s.token, n.ended_at FROM journal_spends AS s JOIN noted_endings AS n USING (function, input_id)
    UNION ALL
    SELECT s.token, n.ended_at FROM journal_spends AS s JOIN noted_endings AS n ON n.function = '' AND n.input_id = s.run_id
) AS found
GROUP BY token;
CREATE UNLOGGED TABLE untold AS
SELECT
    s.*,
    CASE
        WHEN NOT s.is_over OR greatest(s.spent_at, e.ended_at) > s.seen_at - make_interval(secs => grace_seconds)
            THEN 'going on'
        ELSE 'lost'
    END AS state
FROM journal_spends AS s
LEFT JOIN endings AS e USING (token)
WHERE NOT EXISTS (SELECT FROM noted_calls AS n WHERE n.token = s.token);
CREATE UNLOGGED TABLE uncarried AS
SELECT
    p.key, p.cost_micro_usd, s.function, s.creator_id, s.video_id,
    CASE WHEN NOT s.is_over THEN 'going on' WHEN p.paid_at > e.ended_at THEN 'late' ELSE 'lost' END AS state
FROM journal_results AS p
LEFT JOIN journal_spends AS s USING (token)
LEFT JOIN endings AS e USING (token)
WHERE NOT EXISTS (SELECT FROM noted_results AS n WHERE n.key = p.key)

-- name: usage_unexplained
-- Read from the journal as it is after the log was read: a spend is written before its usage is told.
SELECT
    CASE
        WHEN n.token IS NULL THEN format('usage %s names no call (%s, video %s)', n.event_id, n.function, n.video_id)
        WHEN s.token IS NULL THEN format('usage of call %s is no spend of the journal (%s, video %s, %s millionths)',
            n.token, n.function, n.video_id, n.cost_micro_usd)
        ELSE format('usage of call %s says %s %s for %s millionths; the journal says %s %s for %s', n.token,
            n.quantity, n.model, n.cost_micro_usd, s.quantity, s.model, s.cost_micro_usd)
    END AS what,
    count(*) OVER () AS total
FROM (SELECT DISTINCT * FROM noted_calls) AS n
LEFT JOIN journal.spends AS s ON s.token::text = n.token
WHERE
    s.token IS NULL
    OR (s.model, s.quantity, s.cost_micro_usd) IS DISTINCT FROM (n.model, n.quantity, n.cost_micro_usd)
ORDER BY n.token, n.event_id
LIMIT $1

-- name: usage_twice
SELECT
    format('usage of call %s is on the log under %s ids: it counts more than once', token, count(DISTINCT event_id))
        AS what,
    count(*) OVER () AS total
FROM noted_calls
WHERE token IS NOT NULL
GROUP BY token
HAVING count(DISTINCT event_id) > 1
ORDER BY token
LIMIT $1

-- name: usage_missing
SELECT
    format('call %s of %s is paid, its run is over, and its usage is not on the log (video %s, %s millionths)',
        token, function, video_id, cost_micro_usd) AS what,
    count(*) OVER () AS total
FROM untold
WHERE state = 'lost'
ORDER BY token
LIMIT $1

-- name: results_uncarried
SELECT
    CASE
        WHEN function IS NULL THEN format('result %s is in no fact, and no spend of the journal bought it', key)
        ELSE format('result %s is paid, the run that bought it is over, and no fact carries it (%s, video %s, %s millionths)',
            key, function, video_id, cost_micro_usd)
    END AS what,
    count(*) OVER () AS total
FROM uncarried
WHERE state = 'lost'
ORDER BY key
LIMIT $1

-- name: going_on
SELECT
    (SELECT count(*) FROM untold WHERE state = 'going on') AS spends,
    (SELECT count(*) FROM uncarried WHERE state = 'going on') AS results,
    (SELECT count(*) FROM uncarried WHERE state = 'late') AS late_results
