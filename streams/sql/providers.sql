-- name: failed
-- One more failure in a row. The fifth opens the breaker; while it is open, only a failed probe prolongs the pause, to
-- twice as long each time, up to a minute.
INSERT INTO journal.providers AS p (provider, model, failures, reason) VALUES ($1, $2, 1, $4)
ON CONFLICT (provider, model) DO UPDATE SET
    failures = p.failures + 1,
    openings = p.openings + (p.probe IS NOT DISTINCT FROM $3::uuid OR (NOT p.open AND p.failures + 1 >= 5))::integer,
    since = CASE WHEN NOT p.open AND p.failures + 1 >= 5 THEN now() ELSE p.since END,
    paused_until = CASE
        WHEN p.probe IS NOT DISTINCT FROM $3::uuid OR (NOT p.open AND p.failures + 1 >= 5)
        THEN now() + make_interval(secs => least(60, 5 * power(2, least(p.openings, 10))))
        ELSE p.paused_until
    END,
    open = p.open OR p.failures + 1 >= 5,
    probe = CASE WHEN p.probe IS NOT DISTINCT FROM $3::uuid THEN NULL ELSE p.probe END,
    probe_until = CASE WHEN p.probe IS NOT DISTINCT FROM $3::uuid THEN NULL ELSE p.probe_until END,
    reason = excluded.reason
RETURNING open, greatest(extract(epoch FROM nullif(paused_until, '-infinity') - clock_timestamp()), 0.5)::float8 AS seconds

-- name: blocked
-- Not usable until a person acts: open at once, tried again by one probe at a time.
INSERT INTO journal.providers AS p (provider, model, failures, open, paused_until, reason)
VALUES ($1, $2, 1, true, now() + make_interval(secs => $5), $4)
ON CONFLICT (provider, model) DO UPDATE SET
    failures = p.failures + 1,
    since = CASE WHEN p.open THEN p.since ELSE now() END,
    open = true,
    paused_until = greatest(p.paused_until, excluded.paused_until),
    probe = CASE WHEN p.probe IS NOT DISTINCT FROM $3::uuid THEN NULL ELSE p.probe END,
    probe_until = CASE WHEN p.probe IS NOT DISTINCT FROM $3::uuid THEN NULL ELSE p.probe_until END,
    reason = excluded.reason

-- name: paced
-- It asked for patience: nobody calls until then. It answers, so that its breaker has nothing to say.
INSERT INTO journal.providers AS p (provider, model, paused_until, reason)
VALUES ($1, $2, now() + make_interval(secs => $4), $3)
ON CONFLICT (provider, model) DO UPDATE SET
    failures = 0, open = false, openings = 0, probe = NULL, probe_until = NULL, since = now(),
    paused_until = greatest(p.paused_until, excluded.paused_until),
    reason = excluded.reason

-- name: worked
UPDATE journal.providers SET
    failures = 0, openings = 0, probe = NULL, probe_until = NULL, open = false,
    paused_until = CASE WHEN open THEN '-infinity' ELSE paused_until END
WHERE (provider, model) = ($1, $2) AND (failures > 0 OR open)

-- name: troubles
SELECT provider, model, open, failures, reason, since, greatest(extract(epoch FROM paused_until - now()), 0)::float8 AS seconds
FROM journal.providers
WHERE open OR paused_until > now()
ORDER BY provider, model
