-- The tables of all projections, in the schema that search_path names first. Idempotent.
-- Every register has its version beside it: the greatest stands. All of it can be thrown away and folded again.

CREATE TABLE IF NOT EXISTS videos (
    creator_id text, video_id text,
    title text, original_filename text, storage_path text, requested_at timestamptz, request_version bytea,
    status text, run_id uuid, error jsonb, changed_at timestamptz, status_version bytea,
    duration_seconds float8, codec text, source_bytes int8, source_sha256 text, media_version bytea,
    searchable bool, searchable_version bytea,
    PRIMARY KEY (creator_id, video_id)
) WITH (fillfactor = 60); -- a video's row is written half a dozen times: leave room for it in its page
CREATE INDEX IF NOT EXISTS videos_by_id ON videos (video_id);
-- Of the status there is no index: a row that changes a column with one is written anew in all of them, six times a video.
CREATE INDEX IF NOT EXISTS videos_by_request ON videos ((coalesce(requested_at, 'epoch')), creator_id, video_id);

CREATE TABLE IF NOT EXISTS runs (
    creator_id text, video_id text, run_id uuid,
    topic text, "partition" int4, "offset" int8, asked_at timestamptz, asked_version bytea,
    status text, error jsonb, changed_at timestamptz, status_version bytea,
    function text, attempt int4, retry_at timestamptz, retry_error jsonb, retry_version bytea,
    PRIMARY KEY (creator_id, video_id, run_id)
) WITH (fillfactor = 60);
CREATE INDEX IF NOT EXISTS runs_by_id ON runs (run_id);
CREATE INDEX IF NOT EXISTS runs_open ON runs (creator_id) -- few of all: who asks what is under way reads no more
    WHERE status IN ('pending', 'transcribing', 'processing', 'embedding');

CREATE TABLE IF NOT EXISTS transcripts (
    creator_id text, video_id text, transcript_id uuid,
    run_id uuid, body text, language text, model text, duration_seconds float8, segments jsonb, audio_sha256 text,
    topic text, "partition" int4, "offset" int8, completed_at timestamptz, made_version bytea,
    PRIMARY KEY (creator_id, video_id, transcript_id)
);

CREATE TABLE IF NOT EXISTS chunk_sets (
    creator_id text, video_id text, chunk_set_id text,
    transcript_id uuid, chunker text, spaces jsonb, chunk_count int4, made_at timestamptz, cut_version bytea,
    PRIMARY KEY (creator_id, video_id, chunk_set_id)
);

CREATE TABLE IF NOT EXISTS chunks (
    creator_id text, video_id text, chunk_set_id text, "index" int4,
    body text, start_seconds float8, end_seconds float8, words int4, tokens int4, text_version bytea,
    lexemes tsvector GENERATED ALWAYS AS (to_tsvector('english', coalesce(body, ''))) STORED,
    PRIMARY KEY (creator_id, video_id, chunk_set_id, "index")
);
CREATE INDEX IF NOT EXISTS chunks_by_lexeme ON chunks USING gin (lexemes);

CREATE TABLE IF NOT EXISTS embeddings (
    space text, creator_id text, video_id text, chunk_set_id text, "index" int4,
    embedding vector, vector_version bytea,
    PRIMARY KEY (space, creator_id, video_id, chunk_set_id, "index")
) PARTITION BY LIST (space); -- a partition for each space, made when its first vector comes, with an index of its own

CREATE TABLE IF NOT EXISTS embedded_sets (
    creator_id text, video_id text, chunk_set_id text, space text,
    chunk_count int4, completed_at timestamptz, complete_version bytea,
    PRIMARY KEY (creator_id, video_id, chunk_set_id, space)
);

CREATE TABLE IF NOT EXISTS spaces (
    space text PRIMARY KEY,
    model text, dimensions int4, registered_version bytea,
    state text, state_version bytea,
    activated_at timestamptz, activated_version bytea,
    retired_at timestamptz, retired_version bytea -- vectors of runs before it are gone, also if the space comes back
);

CREATE TABLE IF NOT EXISTS usage (
    event_id uuid PRIMARY KEY,
    creator_id text, video_id text, run_id uuid, function text, kind text, quantity float8, model text,
    cost_micro_usd int8, memoized bool, token text, recorded_at timestamptz, entry_version bytea
);
CREATE INDEX IF NOT EXISTS usage_by_video ON usage (creator_id, video_id);
CREATE INDEX IF NOT EXISTS usage_by_time ON usage (recorded_at);

CREATE TABLE IF NOT EXISTS failures (
    event_id uuid PRIMARY KEY,
    creator_id text, video_id text, run_id uuid, function text, attempts int4, error_type text, error_message text,
    retryable bool, topic text, "partition" int4, "offset" int8, failed_at timestamptz, entry_version bytea
);
CREATE INDEX IF NOT EXISTS failures_by_video ON failures (creator_id, video_id);
CREATE INDEX IF NOT EXISTS failures_by_time ON failures (failed_at DESC, event_id);

CREATE TABLE IF NOT EXISTS deleted ( -- what older runs said of these videos is in no table but `usage`
    creator_id text, video_id text,
    run_id uuid, deleted_at timestamptz, mark_version bytea,
    PRIMARY KEY (creator_id, video_id)
);

-- Derived from the tables above for each video: the newest complete set of the space that search uses.
CREATE TABLE IF NOT EXISTS served (
    creator_id text, video_id text, space text NOT NULL, chunk_set_id text NOT NULL,
    PRIMARY KEY (creator_id, video_id)
);
CREATE INDEX IF NOT EXISTS served_by_space ON served (space);

CREATE TABLE IF NOT EXISTS checkpoints (
    "group" text, topic_id text, topic text NOT NULL, "partition" int4, partitions int4 NOT NULL,
    next_offset int8 NOT NULL,
    PRIMARY KEY ("group", topic_id, "partition")
);
