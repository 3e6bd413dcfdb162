-- +goose Up

-- The distinct texts that searches look in, apart from the jobs: many jobs run the same command, and none of them changes it.
CREATE TABLE job_texts (
    id     bigint PRIMARY KEY, -- a hash of the text; of texts from before this table, a negative number
    search text NOT NULL       -- lower case: the command as people read it, line feed, script
);
INSERT INTO job_texts (id, search) SELECT -row_number() OVER (), t.search FROM (SELECT DISTINCT search FROM jobs) t;
ALTER TABLE jobs ADD COLUMN text_id bigint CONSTRAINT jobs_text_fkey REFERENCES job_texts (id);
UPDATE jobs SET text_id = t.id FROM job_texts t WHERE t.search = jobs.search;
ALTER TABLE jobs DROP COLUMN search;

-- pg_trgm comes with PostgreSQL, and the owner of a database may switch it on. Where it cannot be had, searches read every
-- distinct text; whoever installs it later makes the index by hand, as docs/decisions/0020 says.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX job_texts_search ON job_texts USING gin (search gin_trgm_ops) WITH (gin_pending_list_limit = 512);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'searches go without an index: pg_trgm cannot be had (%)', SQLERRM;
END $$;
-- +goose StatementEnd

-- With every pair of status and reason that there is, each list that these filter is a few ranges of one of these indexes.
DROP INDEX jobs_of_status;
DROP INDEX jobs_of_server;
CREATE INDEX jobs_of_status ON jobs (status, reason, created_at, id);
CREATE INDEX jobs_of_server ON jobs (server_id, status, reason, created_at, id);
CREATE INDEX jobs_by_batch ON jobs (batch_id, created_at, id) WHERE batch_id <> '';
CREATE INDEX jobs_of_text ON jobs (text_id, created_at, id);
-- Other orders are of finished jobs, so that a submission writes none of them. Jobs that are not finished are few, and sorted when asked for.
CREATE INDEX jobs_by_updated ON jobs (updated_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_started ON jobs (COALESCE(started_at, timestamptz '0001-01-01 00:00:00+00'), id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_finished ON jobs (COALESCE(finished_at, timestamptz '0001-01-01 00:00:00+00'), id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_title ON jobs (title, id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_priority ON jobs (priority, id) WHERE finished_at IS NOT NULL;

-- How many jobs there are of each kind. Every change of a job adds a row to job_changes in its own transaction and waits for
-- nobody; now and then the rows are added up into the other two. What holds at any time is the sum of all.
CREATE TABLE job_changes (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server_id text COLLATE "C" NOT NULL,
    hour      bigint NOT NULL, -- of the job's creation, since 1970
    status    text NOT NULL,
    reason    text NOT NULL,
    jobs      integer NOT NULL, -- 1 for a job that came to be so, -1 for one that no longer is
    runs      integer NOT NULL, -- of those, how many have run to an end
    run_us    bigint NOT NULL   -- and how long
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE TABLE job_totals (
    server_id text COLLATE "C" NOT NULL, -- '' = all servers
    status    text NOT NULL,
    reason    text NOT NULL,
    jobs      bigint NOT NULL,
    runs      bigint NOT NULL,
    run_us    bigint NOT NULL,
    PRIMARY KEY (server_id, status, reason)
) WITH (fillfactor = 50);
CREATE TABLE job_spans (
    hours  integer NOT NULL CHECK (hours IN (1, 24)), -- how long the span is
    at     bigint NOT NULL, -- its number since 1970, by the jobs' creation
    status text NOT NULL,
    reason text NOT NULL,
    jobs   bigint NOT NULL,
    PRIMARY KEY (hours, at, status, reason)
) WITH (fillfactor = 80);

INSERT INTO job_totals (server_id, status, reason, jobs, runs, run_us)
    SELECT COALESCE(server_id, ''), status, reason, COUNT(*), COUNT(finished_at - started_at),
        COALESCE(SUM(extract(epoch FROM finished_at - started_at) * 1000000), 0)
    FROM jobs GROUP BY GROUPING SETS ((server_id, status, reason), (status, reason));
INSERT INTO job_spans (hours, at, status, reason, jobs)
    SELECT h.hours, floor(extract(epoch FROM created_at) / 3600 / h.hours), status, reason, COUNT(*)
    FROM jobs, (VALUES (1), (24)) h (hours) GROUP BY 1, 2, 3, 4;

-- +goose StatementBegin
CREATE FUNCTION job_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO job_changes (server_id, hour, status, reason, jobs, runs, run_us) VALUES (
            OLD.server_id, floor(extract(epoch FROM OLD.created_at) / 3600), OLD.status, OLD.reason, -1,
            CASE WHEN OLD.finished_at - OLD.started_at IS NULL THEN 0 ELSE -1 END,
            COALESCE(extract(epoch FROM OLD.started_at - OLD.finished_at) * 1000000, 0));
    END IF;
    INSERT INTO job_changes (server_id, hour, status, reason, jobs, runs, run_us) VALUES (
        NEW.server_id, floor(extract(epoch FROM NEW.created_at) / 3600), NEW.status, NEW.reason, 1,
        CASE WHEN NEW.finished_at - NEW.started_at IS NULL THEN 0 ELSE 1 END,
        COALESCE(extract(epoch FROM NEW.finished_at - NEW.started_at) * 1000000, 0));
    RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION jobs_uncounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_changes (server_id, hour, status, reason, jobs, runs, run_us)
        SELECT server_id, floor(extract(epoch FROM created_at) / 3600), status, reason, -COUNT(*), -COUNT(finished_at - started_at),
            COALESCE(SUM(extract(epoch FROM started_at - finished_at) * 1000000), 0)
        FROM gone GROUP BY 1, 2, 3, 4;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER job_counted AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION job_counted();
CREATE TRIGGER job_recounted AFTER UPDATE OF status, reason ON jobs FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.reason <> NEW.reason) EXECUTE FUNCTION job_counted();
CREATE TRIGGER jobs_uncounted AFTER DELETE ON jobs REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION jobs_uncounted();
