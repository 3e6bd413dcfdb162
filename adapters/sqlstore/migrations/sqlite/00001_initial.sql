-- +goose Up

-- Times are microseconds since 1970 in UTC, truth values 0 and 1, nested values JSON.

CREATE TABLE servers (
    id                text NOT NULL PRIMARY KEY,
    name              text NOT NULL CONSTRAINT servers_name_key UNIQUE,
    hostname          text NOT NULL,
    port              integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    login             text NOT NULL,
    auth              text NOT NULL,
    active            integer NOT NULL,
    tags              text NOT NULL,
    host_key          text,
    host_key_policy   text NOT NULL,
    max_sessions      integer NOT NULL CHECK (max_sessions >= 1),
    has_credential    integer NOT NULL,
    credential_needed integer NOT NULL,
    key               text,
    mode              text NOT NULL,
    mode_cause        text NOT NULL,
    last_check        text,
    created_at        integer NOT NULL,
    updated_at        integer NOT NULL,
    revision          integer NOT NULL,
    name_folded       text NOT NULL, -- lower case, for searches
    hostname_folded   text NOT NULL
) STRICT;

-- Apart from the servers, so that nothing that reads a server can leak a credential.
CREATE TABLE server_credentials (
    server_id text NOT NULL PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,
    sealed    blob NOT NULL
) STRICT;

CREATE TABLE jobs (
    id               text NOT NULL PRIMARY KEY,
    server_id        text NOT NULL CONSTRAINT jobs_server_fkey REFERENCES servers (id),
    batch_id         text NOT NULL,
    origin_id        text NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('shell_line', 'argv', 'script')),
    line             text NOT NULL,
    args             text NOT NULL,
    argv             text,
    script           text NOT NULL,
    shell            text NOT NULL,
    title            text NOT NULL, -- the beginning of the command as people read it; lists sort by it
    search           text NOT NULL,             -- lower case: the command as people read it, line feed, script
    priority         integer NOT NULL CHECK (priority BETWEEN 1 AND 10),
    timeout_ns       integer NOT NULL CHECK (timeout_ns > 0),
    retry_mode       text NOT NULL CHECK (retry_mode IN ('never', 'safe', 'on_failure', 'at_least_once')),
    retry_attempts   integer NOT NULL CHECK (retry_attempts >= 1),
    status           text NOT NULL,
    phase            text NOT NULL,
    reason           text NOT NULL,
    message          text NOT NULL,
    attempt          integer NOT NULL CHECK (attempt >= 0),
    failures         integer NOT NULL CHECK (failures >= 0),
    epoch            integer NOT NULL CHECK (epoch >= 0),
    worker           text NOT NULL,
    process          text,
    exit_code        integer,
    exit_signal      text NOT NULL,
    receipt          text,
    cancel_requested integer NOT NULL,
    created_at       integer NOT NULL,
    updated_at       integer NOT NULL,
    started_at       integer,
    finished_at      integer,
    deadline_at      integer,
    next_action_at   integer,
    stdout_bytes     integer NOT NULL CHECK (stdout_bytes >= 0),
    stderr_bytes     integer NOT NULL CHECK (stderr_bytes >= 0),
    last_seq         integer NOT NULL CHECK (last_seq >= 0),
    revision         integer NOT NULL,

    CONSTRAINT jobs_state CHECK (
        (status = 'queued' AND phase IN ('pending', 'enqueued', 'backoff', 'held'))
        OR (status = 'running' AND phase IN ('claimed', 'starting', 'executing', 'detached', 'canceling', 'timing_out', 'collecting'))
        OR (status IN ('completed', 'failed', 'canceled') AND phase = '')),
    CONSTRAINT jobs_reason CHECK (CASE status
        WHEN 'completed' THEN reason = ''
        WHEN 'canceled' THEN reason IN ('user', 'batch')
        WHEN 'running' THEN reason IN ('', 'user', 'batch')
        ELSE (status = 'queued' AND reason = '') OR reason IN (
            'exit_nonzero', 'signal', 'timeout', 'queue_timeout', 'connect', 'auth', 'host_key_unknown', 'host_key_mismatch',
            'start_failed', 'server_rebooted', 'lost', 'output_limit', 'credential_needed', 'policy_denied', 'internal')
        END),
    -- No job waits or runs without a deadline and a next action; a finished one has neither.
    CONSTRAINT jobs_times CHECK (CASE WHEN status IN ('queued', 'running')
        THEN deadline_at IS NOT NULL AND next_action_at IS NOT NULL AND finished_at IS NULL
        ELSE deadline_at IS NULL AND next_action_at IS NULL AND finished_at IS NOT NULL END)
) STRICT;

CREATE INDEX jobs_pending ON jobs (priority DESC, created_at, id) WHERE phase = 'pending';
CREATE INDEX jobs_held ON jobs (server_id, priority DESC, created_at, id) WHERE phase = 'held';
CREATE INDEX jobs_in_flight ON jobs (server_id) WHERE status = 'running' OR phase = 'enqueued';
CREATE INDEX jobs_waiting ON jobs (next_action_at) WHERE phase IN ('backoff', 'held', 'enqueued');
CREATE INDEX jobs_detached ON jobs (next_action_at) WHERE phase = 'detached';
CREATE INDEX jobs_expiring ON jobs (deadline_at) WHERE status = 'queued' OR phase = 'detached';
CREATE INDEX jobs_carried ON jobs (worker) WHERE status = 'running';
CREATE INDEX jobs_created ON jobs (created_at, id);
CREATE INDEX jobs_of_server ON jobs (server_id, created_at, id);
CREATE INDEX jobs_of_status ON jobs (status, created_at, id);

CREATE TABLE attempts (
    job_id      text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number      integer NOT NULL,
    worker      text NOT NULL,
    reason      text NOT NULL,
    message     text NOT NULL,
    exit_code   integer,
    exit_signal text NOT NULL,
    started_at  integer,
    finished_at integer NOT NULL,
    PRIMARY KEY (job_id, number)
) STRICT;

CREATE TABLE job_output (
    job_id   text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq      integer NOT NULL,
    attempt  integer NOT NULL,
    stream   integer NOT NULL CHECK (stream IN (1, 2)),
    "offset" integer NOT NULL,
    at       integer NOT NULL,
    size     integer NOT NULL, -- bytes of output, whatever the codec made of them
    codec    integer NOT NULL CHECK (codec IN (0, 1)), -- 0 as it came, 1 zstd
    data     blob NOT NULL,
    PRIMARY KEY (job_id, seq),
    CONSTRAINT job_output_place UNIQUE (job_id, attempt, stream, "offset")
) STRICT;

-- No reference to the job is checked before the end of the transaction: the key is taken first.
CREATE TABLE idempotency (
    key         text NOT NULL PRIMARY KEY,
    fingerprint text NOT NULL,
    job_id      text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    created_at  integer NOT NULL
) STRICT;
CREATE INDEX idempotency_created ON idempotency (created_at);
CREATE INDEX idempotency_job ON idempotency (job_id);

CREATE TABLE workers (
    id          text NOT NULL PRIMARY KEY,
    hostname    text NOT NULL,
    pid         integer NOT NULL,
    capacity    integer NOT NULL,
    started_at  integer NOT NULL,
    seen_at     integer NOT NULL,
    lease_until integer NOT NULL
) STRICT;

CREATE TABLE tokens (
    hash blob NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    name text NOT NULL CONSTRAINT tokens_name_key UNIQUE,
    role text NOT NULL
) STRICT;

-- Which storage was last seen behind a queue's name.
CREATE TABLE queues (
    name  text NOT NULL PRIMARY KEY,
    store text NOT NULL
) STRICT;
