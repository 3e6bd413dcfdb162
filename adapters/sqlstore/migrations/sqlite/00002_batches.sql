-- +goose Up

CREATE TABLE batches (
    id             text NOT NULL PRIMARY KEY,
    origin_id      text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('shell_line', 'argv', 'script')),
    line           text NOT NULL,
    args           text NOT NULL,
    argv           text,
    script         text NOT NULL,
    shell          text NOT NULL,
    priority       integer NOT NULL CHECK (priority BETWEEN 1 AND 10),
    timeout_ns     integer NOT NULL CHECK (timeout_ns > 0),
    retry_mode     text NOT NULL,
    retry_attempts integer NOT NULL,
    max_parallel   integer NOT NULL CHECK (max_parallel >= 0), -- 0 = no bound
    stop_after     integer NOT NULL CHECK (stop_after >= 0), -- 0 = never
    created_at     integer NOT NULL,
    stopped_at     integer,
    stop_reason    text NOT NULL,
    CONSTRAINT batches_stop CHECK (CASE WHEN stopped_at IS NULL THEN stop_reason = '' ELSE stop_reason IN ('user', 'batch') END)
) STRICT;
CREATE INDEX batches_created ON batches (created_at, id);

-- The hashes of a job's output as far as it is stored, in a state that goes on with the next byte.
CREATE TABLE job_hashes (
    job_id  text NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    attempt integer NOT NULL,
    stdout  blob NOT NULL,
    stderr  blob NOT NULL
) STRICT;

-- Jobs are offered in turn: batch by batch within a priority.
DROP INDEX jobs_pending;
CREATE INDEX jobs_pending ON jobs (priority DESC, batch_id, created_at, id) WHERE phase = 'pending';
CREATE INDEX jobs_enqueued ON jobs (priority, batch_id) WHERE phase = 'enqueued';

-- Released jobs take the room that they were released into until they are offered.
DROP INDEX jobs_held;
CREATE INDEX jobs_waiting_for_server ON jobs (server_id, priority DESC, created_at, id) WHERE phase IN ('held', 'pending');

CREATE INDEX jobs_of_batch ON jobs (batch_id, status) WHERE batch_id <> '';
CREATE INDEX jobs_waiting_for_batch ON jobs (batch_id, created_at, id) WHERE batch_id <> '' AND phase IN ('held', 'pending');
CREATE INDEX jobs_in_flight_of_batch ON jobs (batch_id) WHERE batch_id <> '' AND (status = 'running' OR phase = 'enqueued');
