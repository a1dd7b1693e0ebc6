-- The journal: where steps are kept. Never touched by a rebuild of the projection. Run at every start; idempotent.
CREATE SCHEMA IF NOT EXISTS journal;

CREATE TABLE IF NOT EXISTS journal.identity (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    made_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS journal.runs (
    function text NOT NULL,
    fingerprint text NOT NULL,
    input_id uuid NOT NULL,
    run_id uuid NOT NULL,
    creator_id text,
    video_id text,
    rewind integer NOT NULL DEFAULT 0, -- the number of the last rewind under which it was begun
    reemit boolean NOT NULL DEFAULT false, -- it was completed before, and says its facts again
    first_started_at bigint NOT NULL, -- microseconds, the database's clock: the sequence of all that this run says
    attempts integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0, -- workers that died while they had it beside other runs
    alone boolean NOT NULL DEFAULT false, -- its lease was granted with nothing else in the process
    crashes_alone integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    waits_since timestamptz, -- since when it waits for the world, no attempt charged
    lease_token uuid, -- left behind with a lease that ran out: its worker died
    lease_until timestamptz,
    ending text, -- completed, failed or cancelled
    error jsonb,
    told boolean NOT NULL DEFAULT false, -- the ending's event is on the log
    begun_at timestamptz, -- this time: what is over and asked for again begins anew
    ended_at timestamptz, -- neither is known of runs that were read back from the log
    PRIMARY KEY (function, fingerprint, input_id)
) WITH (fillfactor = 60); -- every run is updated three times: leave room for it in its page

DO $$ -- journals of before 25 November 2026
BEGIN
    IF NOT EXISTS (
        SELECT FROM information_schema.columns
        WHERE (table_schema, table_name, column_name) = ('journal', 'runs', 'crashes_alone')
    ) THEN
        ALTER TABLE journal.runs ADD COLUMN alone boolean NOT NULL DEFAULT false,
            ADD COLUMN crashes_alone integer NOT NULL DEFAULT 0, ADD COLUMN waits_since timestamptz,
            DROP CONSTRAINT IF EXISTS runs_ending_check;
    END IF;
END $$;

DO $$ -- journals of before 26 November 2026
BEGIN
    IF NOT EXISTS (
        SELECT FROM information_schema.columns
        WHERE (table_schema, table_name, column_name) = ('journal', 'runs', 'reemit')
    ) THEN
        ALTER TABLE journal.runs ADD COLUMN reemit boolean NOT NULL DEFAULT false;
    END IF;
END $$;

DO $$ -- journals of before 27 November 2026
BEGIN
    IF NOT EXISTS (
        SELECT FROM information_schema.columns
        WHERE (table_schema, table_name, column_name) = ('journal', 'runs', 'ended_at')
    ) THEN
        ALTER TABLE journal.runs ADD COLUMN begun_at timestamptz, ADD COLUMN ended_at timestamptz;
    END IF;
END $$;

CREATE INDEX IF NOT EXISTS runs_by_video ON journal.runs (creator_id, video_id);
CREATE INDEX IF NOT EXISTS runs_ended ON journal.runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_leased ON journal.runs (function, creator_id) WHERE lease_token IS NOT NULL;

CREATE TABLE IF NOT EXISTS journal.cancelled ( -- runs that a person called off
    run_id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS journal.paid (
    key text PRIMARY KEY,
    result bytea NOT NULL,
    quantity double precision NOT NULL,
    cost_micro_usd bigint NOT NULL,
    token uuid NOT NULL,
    paid_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS journal.spends (
    token uuid PRIMARY KEY,
    function text NOT NULL,
    input_id uuid NOT NULL,
    run_id uuid NOT NULL,
    creator_id text,
    video_id text,
    usage text NOT NULL,
    model text NOT NULL,
    quantity double precision NOT NULL,
    cost_micro_usd bigint NOT NULL,
    keys text[] NOT NULL,
    spent_at timestamptz NOT NULL DEFAULT now(),
    told boolean NOT NULL DEFAULT false -- its usage.recorded is on the log
);
CREATE INDEX IF NOT EXISTS spends_by_input ON journal.spends (input_id, function);
CREATE INDEX IF NOT EXISTS spends_by_creator ON journal.spends (creator_id, spent_at) INCLUDE (cost_micro_usd);
CREATE INDEX IF NOT EXISTS spends_untold ON journal.spends (token) WHERE NOT told;

CREATE TABLE IF NOT EXISTS journal.deleted ( -- videos of which nothing from before a deletion is processed or kept
    creator_id text,
    video_id text,
    run_id uuid NOT NULL, -- of the last deletion: older runs are meant
    PRIMARY KEY (creator_id, video_id)
);

DO $$ -- which videos use a paid result, and the newest run of each that did: what nobody uses goes with its video
BEGIN
    IF to_regclass('journal.uses') IS NULL THEN
        CREATE TABLE journal.uses (
            creator_id text, video_id text, key text, run_id uuid NOT NULL, PRIMARY KEY (creator_id, video_id, key)
        );
        INSERT INTO journal.uses (creator_id, video_id, key, run_id) -- journals of before 26 November 2026
        SELECT creator_id, video_id, k.key, max(run_id::text)::uuid
        FROM journal.spends CROSS JOIN unnest(keys) AS k (key)
        WHERE creator_id IS NOT NULL AND video_id IS NOT NULL
        GROUP BY 1, 2, 3;
        CREATE INDEX uses_by_key ON journal.uses (key);
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS journal.calls ( -- paid calls in the air: who wants the same waits
    key text PRIMARY KEY,
    token uuid NOT NULL,
    run_id uuid NOT NULL,
    lease_until timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_token ON journal.calls (token);

DO $$ -- journals of before 28 November 2026
BEGIN
    IF NOT EXISTS (
        SELECT FROM information_schema.columns
        WHERE (table_schema, table_name, column_name) = ('journal', 'calls', 'quote')
    ) THEN
        ALTER TABLE journal.calls ADD COLUMN creator_id text, ADD COLUMN quote bigint NOT NULL DEFAULT 0;
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS journal.budgets ( -- what a creator's videos may cost a day (UTC)
    creator_id text PRIMARY KEY, -- empty: of everybody who has none of his own
    micro_usd bigint, -- null: as much as they cost
    set_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS journal.held ( -- functions that begin nothing of a creator's: a call was over the budget
    creator_id text,
    function text,
    needs bigint NOT NULL, -- what that call would cost, in millionths of a dollar
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (creator_id, function)
);

CREATE TABLE IF NOT EXISTS journal.providers ( -- pace and breaker, shared by all workers
    provider text NOT NULL,
    model text NOT NULL,
    failures integer NOT NULL DEFAULT 0, -- in a row
    open boolean NOT NULL DEFAULT false, -- the breaker: one probe at a time
    openings integer NOT NULL DEFAULT 0, -- in a row: the pause doubles with each
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    reason text NOT NULL DEFAULT '',
    since timestamptz NOT NULL DEFAULT now(),
    probe uuid, -- token of the call that tries it
    probe_until timestamptz,
    PRIMARY KEY (provider, model)
);

CREATE TABLE IF NOT EXISTS journal.choices ( -- what a function chose once, and must not choose again on a rewind
    name text PRIMARY KEY,
    choice bytea NOT NULL
);

CREATE SEQUENCE IF NOT EXISTS journal.rewinds AS integer; -- a rewind's number: greater is later

CREATE TABLE IF NOT EXISTS journal.progress ( -- how far each group has committed: a rewind is told from a crash by it
    "group" text,
    topic_id text,
    topic text NOT NULL,
    "partition" integer,
    partitions integer NOT NULL,
    next_offset bigint, -- null: nothing was committed yet
    number integer NOT NULL DEFAULT 0, -- of the last rewind
    reemit boolean NOT NULL DEFAULT false, -- that rewind has completed runs say their facts again
    wanted_offset bigint, -- where a person wants it to be, until its owner has gone there
    wanted_number integer,
    wanted_reemit boolean,
    PRIMARY KEY ("group", topic_id, "partition")
);
CREATE INDEX IF NOT EXISTS progress_wanted ON journal.progress ("group") WHERE wanted_offset IS NOT NULL;

CREATE TABLE IF NOT EXISTS journal.chosen ( -- single records that a person wants processed again
    "group" text,
    topic_id text,
    topic text NOT NULL,
    "partition" integer,
    "offset" bigint,
    number integer NOT NULL, -- of the rewind
    reemit boolean NOT NULL,
    PRIMARY KEY ("group", topic_id, "partition", "offset")
);

CREATE TABLE IF NOT EXISTS journal.trails ( -- what each attempt at a run did, for people: nothing depends on it
    function text,
    fingerprint text,
    input_id uuid,
    attempt integer,
    crashes integer, -- workers that had died over the run before
    begun_at timestamptz NOT NULL,
    seconds double precision NOT NULL, -- that it had been at work when this was written
    trail jsonb NOT NULL,
    PRIMARY KEY (function, fingerprint, input_id, attempt, crashes)
);
CREATE INDEX IF NOT EXISTS trails_begun ON journal.trails (begun_at);

INSERT INTO journal.identity DEFAULT VALUES ON CONFLICT DO NOTHING;
