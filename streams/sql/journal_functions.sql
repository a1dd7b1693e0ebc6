-- What must see the latest state under a lock, in one round trip: each statement of a function has its own snapshot.

-- Whether three workers died while they had it beside other runs: a lease that was left behind is a death.
CREATE OR REPLACE FUNCTION journal.is_suspect(r journal.runs) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT r.crashes + (r.lease_token IS NOT NULL AND NOT r.alone)::integer >= 3
$$;

-- Whether a run that is over is to be run again: it failed under an older rewind, or all facts of it are to be said again.
CREATE OR REPLACE FUNCTION journal.is_asked_again(r journal.runs, rewind integer, reemit boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT r.told AND r.rewind < $2 AND (r.ending = 'failed' OR (r.ending = 'completed' AND $3))
$$;

-- How the newest processing of one run of a video by a function has ended; null where it has not, or there is none.
CREATE OR REPLACE FUNCTION journal.newest_ending(function text, creator text, video text, run uuid) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT r.ending FROM journal.runs AS r
    WHERE (r.function, r.creator_id, r.video_id, r.run_id) = ($1, $2, $3, $4)
    ORDER BY r.first_started_at DESC
    LIMIT 1
$$;

-- Whether a run may begin: it is not over, nobody holds it, its wait is over, and one that kills workers is taken alone.
CREATE OR REPLACE FUNCTION journal.may_begin(r journal.runs, rewind integer, reemit boolean, alone boolean)
RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT (r.ending IS NULL OR journal.is_asked_again(r, $2, $3))
        AND (r.lease_until IS NULL OR r.lease_until < clock_timestamp())
        AND (r.next_attempt_at IS NULL OR r.next_attempt_at <= clock_timestamp())
        AND ($4 OR NOT journal.is_suspect(r))
$$;

-- What a creator's videos may cost a day, in millionths of a dollar; null: as much as they do.
CREATE OR REPLACE FUNCTION journal.budget(creator text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT b.micro_usd FROM journal.budgets AS b WHERE b.creator_id IN (creator, '')
    ORDER BY b.creator_id = '' LIMIT 1
$$;

-- What a creator's calls have cost since midnight (UTC), and what those in the air will.
CREATE OR REPLACE FUNCTION journal.used_today(creator text, OUT spent bigint, OUT in_air bigint)
LANGUAGE sql STABLE AS $$
    SELECT
        (SELECT coalesce(sum(s.cost_micro_usd), 0)::bigint FROM journal.spends AS s
         WHERE s.creator_id = creator AND s.spent_at >= date_trunc('day', clock_timestamp(), 'UTC')),
        (SELECT coalesce(sum(c.quote), 0)::bigint FROM journal.calls AS c
         WHERE c.creator_id = creator AND c.lease_until >= clock_timestamp())
$$;

-- What is left of a creator's budget of today; null: it is not limited.
CREATE OR REPLACE FUNCTION journal.room(creator text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT journal.budget(creator) - u.spent - u.in_air FROM journal.used_today(creator) AS u
$$;

-- What holds a creator's videos of a status, which tells what they need next: budget, or nothing.
CREATE OR REPLACE FUNCTION journal.holds(creator text, status text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT 'budget' FROM journal.held AS h
    WHERE h.creator_id = creator AND h.function = CASE
        WHEN status IN ('pending', 'transcribing') THEN 'transcribe-video'
        WHEN status IN ('processing', 'embedding') THEN 'generate-embeddings'
    END
$$;

-- Grants runs: new ones, those whose wait is over, those whose owner died; of a creator never more at once than `most`,
-- in the whole cluster. A row that is not granted is not returned; one that a budget holds is, with no attempts.
CREATE OR REPLACE FUNCTION journal.begin_runs(
    functions text[], fingerprints text[], inputs uuid[], run_ids uuid[], creators text[], videos text[],
    rewinds integer[], reemits boolean[], tokens uuid[], most integer[], alone boolean[], lease double precision
) RETURNS TABLE (
    function text, fingerprint text, input_id uuid, attempts integer, crashes integer, crashes_alone integer,
    first_started_at bigint, waited double precision, reemit boolean
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    -- One at a time grants a creator's runs of a function; all take their locks in one order.
    PERFORM pg_advisory_xact_lock(hashtextextended(lane, 0)) FROM (
        SELECT DISTINCT t.function || ' ' || t.creator_id AS lane
        FROM unnest(functions, creators) AS t (function, creator_id)
        WHERE t.creator_id IS NOT NULL
        ORDER BY 1
    ) AS lanes;

    -- What is granted here is seen by a deletion, or sees it: that one takes the table for itself for a moment.
    LOCK TABLE journal.deleted IN ROW SHARE MODE;
    INSERT INTO journal.cancelled (run_id)
    SELECT DISTINCT a.run_id
    FROM unnest(run_ids, creators, videos) AS a (run_id, creator_id, video_id)
    JOIN journal.deleted AS d USING (creator_id, video_id)
    WHERE a.run_id < d.run_id
    ORDER BY a.run_id
    ON CONFLICT DO NOTHING;

    IF EXISTS (SELECT FROM journal.cancelled WHERE run_id = ANY(run_ids)) THEN
        INSERT INTO journal.runs AS r (
            function, fingerprint, input_id, run_id, creator_id, video_id, rewind, first_started_at, ending, told, ended_at
        )
        SELECT a.function, a.fingerprint, a.input_id, a.run_id, a.creator_id, a.video_id, a.rewind,
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 'cancelled', true, clock_timestamp()
        FROM unnest(functions, fingerprints, inputs, run_ids, creators, videos, rewinds)
            AS a (function, fingerprint, input_id, run_id, creator_id, video_id, rewind)
        JOIN journal.cancelled AS c USING (run_id)
        ORDER BY a.function, a.fingerprint, a.input_id
        ON CONFLICT (function, fingerprint, input_id) DO UPDATE SET
            ending = 'cancelled', told = true, ended_at = excluded.ended_at,
            lease_token = NULL, lease_until = NULL, next_attempt_at = NULL
        WHERE (r.lease_until IS NULL OR r.lease_until < clock_timestamp()) AND (
            r.ending IS NULL
            OR EXISTS ( -- it was at its last step when its video was deleted
                SELECT FROM journal.deleted AS d
                WHERE (d.creator_id, d.video_id) = (r.creator_id, r.video_id) AND r.run_id < d.run_id
            )
        );
    END IF;

    IF EXISTS (SELECT FROM journal.held) THEN
        DELETE FROM journal.held AS h USING (
            SELECT creator_id, function FROM journal.held
            WHERE (creator_id, function) IN (SELECT * FROM unnest(creators, functions))
            ORDER BY creator_id, function
            FOR UPDATE -- in one order with `claim`
        ) AS asked
        WHERE (h.creator_id, h.function) = (asked.creator_id, asked.function)
            AND coalesce(journal.room(h.creator_id) >= h.needs, true); -- raised, lifted, or another day
        RETURN QUERY
        SELECT a.function, a.fingerprint, a.input_id, 0, 0, 0, 0::bigint, 0::double precision, false
        FROM unnest(functions, fingerprints, inputs, creators, rewinds, reemits, alone)
            AS a (function, fingerprint, input_id, creator_id, rewind, reemit, alone)
        JOIN journal.held AS h ON (h.creator_id, h.function) = (a.creator_id, a.function)
        LEFT JOIN journal.runs AS r
            ON (r.function, r.fingerprint, r.input_id) = (a.function, a.fingerprint, a.input_id)
        WHERE r.function IS NULL OR journal.may_begin(r, a.rewind, a.reemit, a.alone);
    END IF;

    RETURN QUERY
    WITH asked AS (
        SELECT * FROM unnest(
            functions, fingerprints, inputs, run_ids, creators, videos, rewinds, reemits, tokens, most, alone
        ) WITH ORDINALITY AS a (
            function, fingerprint, input_id, run_id, creator_id, video_id, rewind, reemit, token, most, alone, place
        )
    ), able AS (
        SELECT a.*, row_number() OVER (PARTITION BY a.function, a.creator_id ORDER BY a.place) AS turn
        FROM asked AS a
        LEFT JOIN journal.runs AS r
            ON (r.function, r.fingerprint, r.input_id) = (a.function, a.fingerprint, a.input_id)
        WHERE (r.function IS NULL OR journal.may_begin(r, a.rewind, a.reemit, a.alone))
            AND NOT EXISTS (SELECT FROM journal.held AS h WHERE (h.creator_id, h.function) = (a.creator_id, a.function))
    ), live AS (
        SELECT r.function, r.creator_id, count(*) AS count
        FROM journal.runs AS r
        JOIN (SELECT DISTINCT function, creator_id FROM able) AS a
            ON (r.function, r.creator_id) = (a.function, a.creator_id)
        WHERE r.lease_token IS NOT NULL AND r.lease_until >= clock_timestamp()
        GROUP BY r.function, r.creator_id
    )
    INSERT INTO journal.runs AS r (
        function, fingerprint, input_id, run_id, creator_id, video_id, rewind, reemit, first_started_at, attempts,
        alone, lease_token, lease_until, begun_at
    )
    SELECT a.function, a.fingerprint, a.input_id, a.run_id, a.creator_id, a.video_id, a.rewind, a.reemit,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 1, a.alone,
        a.token, clock_timestamp() + make_interval(secs => lease), clock_timestamp()
    FROM able AS a
    LEFT JOIN live AS l ON (l.function, l.creator_id) = (a.function, a.creator_id)
    WHERE a.creator_id IS NULL OR a.turn <= a.most - coalesce(l.count, 0)
    ORDER BY a.function, a.fingerprint, a.input_id
    ON CONFLICT (function, fingerprint, input_id) DO UPDATE SET
        attempts = CASE
            WHEN r.ending = 'failed' THEN 1
            WHEN r.ending = 'completed' OR r.lease_token IS NOT NULL THEN r.attempts -- it says the same again
            ELSE r.attempts + 1
        END,
        crashes = CASE
            WHEN r.ending = 'failed' THEN 0
            ELSE r.crashes + (r.lease_token IS NOT NULL AND NOT r.alone)::integer
        END,
        crashes_alone = CASE
            WHEN r.ending = 'failed' THEN 0
            ELSE r.crashes_alone + (r.lease_token IS NOT NULL AND r.alone)::integer
        END,
        begun_at = CASE WHEN r.ending IS NULL THEN r.begun_at ELSE excluded.begun_at END,
        ended_at = NULL,
        ending = NULL,
        error = NULL,
        told = false,
        rewind = greatest(r.rewind, excluded.rewind),
        reemit = CASE WHEN r.ending IS NULL THEN r.reemit ELSE r.ending = 'completed' END,
        next_attempt_at = NULL,
        alone = excluded.alone,
        lease_token = excluded.lease_token,
        lease_until = excluded.lease_until
    WHERE journal.may_begin(r, excluded.rewind, excluded.reemit, excluded.alone)
    RETURNING r.function, r.fingerprint, r.input_id, r.attempts, r.crashes, r.crashes_alone, r.first_started_at,
        coalesce(extract(epoch FROM clock_timestamp() - r.waits_since), 0)::double precision, r.reemit;
END
$$;

-- Leave for paid calls, one row a key (a call's keys share its token). What is bought already comes back with its
-- result; of the rest: yours (make the call), busy (another makes it), paused (so many seconds), cancelled (the run),
-- held (by its creator's budget), unquoted (there is a budget: ask again with what it would cost).
CREATE OR REPLACE FUNCTION journal.claim(
    keys text[], tokens uuid[], providers text[], models text[], run_ids uuid[], functions text[], creators text[],
    quotes bigint[], lease double precision
) RETURNS TABLE (
    key text, token uuid, verdict text, troubled boolean, seconds double precision, reason text,
    result bytea, quantity double precision, cost_micro_usd bigint
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    stopped uuid[] := '{}';
    troubled uuid[] := '{}';
    probes uuid[] := '{}';
    paused uuid[] := '{}';
    unquoted uuid[] := '{}';
    held uuid[] := '{}';
BEGIN
    IF EXISTS (SELECT FROM journal.cancelled WHERE run_id = ANY(run_ids)) THEN
        stopped := ARRAY(
            SELECT DISTINCT a.token FROM unnest(tokens, run_ids) AS a (token, run_id)
            JOIN journal.cancelled USING (run_id)
        );
    END IF;

    IF EXISTS (SELECT FROM journal.providers AS p WHERE p.failures > 0 OR p.open OR p.paused_until > clock_timestamp())
    THEN
        WITH probing AS (
            UPDATE journal.providers AS p
            SET probe = a.token, probe_until = clock_timestamp() + make_interval(secs => lease)
            FROM (
                SELECT DISTINCT ON (provider, model) * FROM unnest(tokens, providers, models) AS t (token, provider, model)
                WHERE NOT token = ANY(stopped)
                ORDER BY provider, model
            ) AS a
            WHERE (p.provider, p.model) = (a.provider, a.model) AND p.open AND p.paused_until <= clock_timestamp()
                AND (p.probe_until IS NULL OR p.probe_until < clock_timestamp())
            RETURNING a.token
        ) SELECT coalesce(array_agg(token), '{}') FROM probing INTO probes;
        SELECT
            coalesce(array_agg(DISTINCT a.token), '{}'),
            coalesce(array_agg(DISTINCT a.token) FILTER (
                WHERE p.paused_until > clock_timestamp() OR (p.open AND NOT a.token = ANY(probes))
            ), '{}')
        FROM unnest(tokens, providers, models) AS a (token, provider, model)
        JOIN journal.providers AS p USING (provider, model)
        INTO troubled, paused;
    END IF;

    IF EXISTS (SELECT FROM journal.budgets) THEN
        -- One at a time takes of a creator's budget. What follows sees all that was taken before.
        PERFORM pg_advisory_xact_lock(hashtextextended('budget of ' || limited.creator_id, 0)) FROM (
            SELECT DISTINCT a.creator_id FROM unnest(creators) AS a (creator_id)
            WHERE journal.budget(a.creator_id) IS NOT NULL
            ORDER BY 1
        ) AS limited;
        WITH wished AS (
            SELECT a.creator_id, a.function, a.token, min(a.place) AS place, sum(a.quote)::bigint AS quote
            FROM unnest(keys, tokens, functions, creators, quotes) WITH ORDINALITY
                AS a (key, token, function, creator_id, quote, place)
            WHERE NOT a.token = ANY(stopped || paused)
                AND NOT EXISTS (SELECT FROM journal.paid AS p WHERE p.key = a.key)
                AND NOT EXISTS (
                    SELECT FROM journal.calls AS c WHERE c.key = a.key AND c.lease_until >= clock_timestamp()
                )
            GROUP BY a.creator_id, a.function, a.token
        ), rooms AS MATERIALIZED ( -- once a creator, however often it is compared
            SELECT creator_id, journal.room(creator_id) AS room FROM (SELECT DISTINCT creator_id FROM wished) AS w
        ), lined_up AS (
            SELECT *, sum(quote) OVER (PARTITION BY creator_id ORDER BY place) > room AND quote > 0 AS over
            FROM wished JOIN rooms USING (creator_id)
            WHERE room IS NOT NULL
        ), noted AS (
            INSERT INTO journal.held AS h (creator_id, function, needs)
            SELECT creator_id, function, min(quote) FROM lined_up WHERE over GROUP BY creator_id, function
            ORDER BY creator_id, function
            ON CONFLICT (creator_id, function) DO UPDATE SET needs = excluded.needs
        )
        SELECT
            coalesce(array_agg(token) FILTER (WHERE quote IS NULL), '{}'),
            coalesce(array_agg(token) FILTER (WHERE over), '{}')
        FROM lined_up
        INTO unquoted, held;
    END IF;

    INSERT INTO journal.calls AS c (key, token, run_id, creator_id, quote, lease_until)
    SELECT DISTINCT ON (a.key)
        a.key, a.token, a.run_id, a.creator_id, coalesce(a.quote, 0), clock_timestamp() + make_interval(secs => lease)
    FROM unnest(keys, tokens, run_ids, creators, quotes) AS a (key, token, run_id, creator_id, quote)
    WHERE NOT a.token = ANY(stopped || paused || unquoted || held)
        AND NOT EXISTS (SELECT FROM journal.paid AS p WHERE p.key = a.key)
    ORDER BY a.key -- two workers lock in one order
    ON CONFLICT (key) DO UPDATE SET
        token = excluded.token, run_id = excluded.run_id, creator_id = excluded.creator_id, quote = excluded.quote,
        lease_until = excluded.lease_until
    WHERE c.lease_until < clock_timestamp();

    -- What was kept while we waited for its row: the claim is not needed.
    DELETE FROM journal.calls AS c USING journal.paid AS p WHERE c.token = ANY(tokens) AND p.key = c.key;
    UPDATE journal.providers SET probe = NULL, probe_until = NULL
    WHERE probe = ANY(probes) AND NOT EXISTS (SELECT FROM journal.calls AS c WHERE c.token = probe);

    RETURN QUERY
    SELECT a.key, a.token,
        CASE
            WHEN p.key IS NOT NULL THEN 'kept'
            WHEN a.token = ANY(stopped) THEN 'cancelled'
            WHEN c.token = a.token THEN 'yours'
            WHEN a.token = ANY(paused) THEN 'paused'
            WHEN a.token = ANY(unquoted) THEN 'unquoted'
            WHEN a.token = ANY(held) THEN 'held'
            ELSE 'busy'
        END,
        a.token = ANY(troubled),
        greatest(extract(epoch FROM nullif(s.paused_until, '-infinity') - clock_timestamp()), 0.5)::double precision,
        coalesce(s.reason, ''), p.result, p.quantity, p.cost_micro_usd
    FROM unnest(keys, tokens, providers, models) AS a (key, token, provider, model)
    LEFT JOIN journal.paid AS p ON p.key = a.key
    LEFT JOIN journal.calls AS c ON c.key = a.key
    LEFT JOIN journal.providers AS s ON (s.provider, s.model) = (a.provider, a.model);
END
$$;

-- Keeps the trail of an attempt at a run, by the database's clock. Within the statement that writes the run, whose row it
-- holds: a deletion of its video has come by now, and is seen, or waits for that row, and takes the trail away.
CREATE OR REPLACE FUNCTION journal.keep_trail(
    r journal.runs, attempt integer, crashes integer, seconds double precision, trail jsonb
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO journal.trails AS t (function, fingerprint, input_id, attempt, crashes, begun_at, seconds, trail)
    SELECT r.function, r.fingerprint, r.input_id, $2, $3, clock_timestamp() - make_interval(secs => $4), $4, $5
    WHERE NOT EXISTS (
        SELECT FROM journal.deleted AS d
        WHERE (d.creator_id, d.video_id) = (r.creator_id, r.video_id) AND r.run_id < d.run_id
    )
    ON CONFLICT ON CONSTRAINT trails_pkey DO UPDATE SET
        begun_at = excluded.begun_at, seconds = excluded.seconds, trail = excluded.trail;
END
$$;

-- A deletion's work, after its mark: calls the known runs of a video off that are older, and erases what they have paid for
-- where no other video uses it. Spends stay: they are the bill. Gives how many results went.
CREATE OR REPLACE FUNCTION journal.erase(creator text, video text, deletion uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    used text[];
    erased bigint;
BEGIN
    INSERT INTO journal.cancelled (run_id)
    SELECT DISTINCT r.run_id FROM journal.runs AS r
    WHERE (r.creator_id, r.video_id) = (creator, video) AND r.run_id < deletion
    ORDER BY r.run_id
    ON CONFLICT DO NOTHING;
    UPDATE journal.runs AS r
    SET ending = 'cancelled', error = NULL, told = true, lease_token = NULL, lease_until = NULL, next_attempt_at = NULL
    WHERE (r.creator_id, r.video_id) = (creator, video) AND r.run_id < deletion
        AND (r.lease_until IS NULL OR r.lease_until < clock_timestamp()); -- the others end at their next step

    PERFORM FROM journal.runs AS r WHERE (r.creator_id, r.video_id) = (creator, video) AND r.run_id < deletion
    ORDER BY r.function, r.fingerprint, r.input_id
    FOR UPDATE; -- whoever writes a trail just now is waited for
    DELETE FROM journal.trails AS t USING journal.runs AS r
    WHERE (r.creator_id, r.video_id) = (creator, video) AND r.run_id < deletion
        AND (t.function, t.fingerprint, t.input_id) = (r.function, r.fingerprint, r.input_id);

    used := ARRAY(
        SELECT u.key FROM journal.uses AS u
        WHERE (u.creator_id, u.video_id) = (creator, video) AND u.run_id < deletion
    );
    PERFORM FROM journal.paid AS p WHERE p.key = ANY(used) ORDER BY p.key FOR UPDATE; -- who takes one notes its use first
    DELETE FROM journal.uses AS u WHERE (u.creator_id, u.video_id) = (creator, video) AND u.run_id < deletion;
    DELETE FROM journal.paid AS p
    WHERE p.key = ANY(used) AND NOT EXISTS (SELECT FROM journal.uses AS u WHERE u.key = p.key);
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END
$$;
