-- +goose Up

-- The distinct texts that searches look in, apart from the jobs: many jobs run the same command, and none of them changes it.
CREATE TABLE job_texts (
    id     integer PRIMARY KEY, -- a hash of the text; of texts from before this table, a negative number
    search text NOT NULL        -- lower case: the command as people read it, line feed, script
) STRICT;
INSERT INTO job_texts (id, search) SELECT -row_number() OVER (), t.search FROM (SELECT DISTINCT search FROM jobs) t;
ALTER TABLE jobs ADD COLUMN text_id integer CONSTRAINT jobs_text_fkey REFERENCES job_texts (id);
UPDATE jobs SET text_id = t.id FROM job_texts t WHERE t.search = jobs.search;
ALTER TABLE jobs DROP COLUMN search;

-- With every pair of status and reason that there is, each list that these filter is a few ranges of one of these indexes.
DROP INDEX jobs_of_status;
DROP INDEX jobs_of_server;
CREATE INDEX jobs_of_status ON jobs (status, reason, created_at, id);
CREATE INDEX jobs_of_server ON jobs (server_id, status, reason, created_at, id);
CREATE INDEX jobs_by_batch ON jobs (batch_id, created_at, id) WHERE batch_id <> '';
CREATE INDEX jobs_of_text ON jobs (text_id, created_at, id);
-- Other orders are of finished jobs, so that a submission writes none of them. Jobs that are not finished are few, and sorted when asked for.
CREATE INDEX jobs_by_updated ON jobs (updated_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_started ON jobs (COALESCE(started_at, -62135596800000000), id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_finished ON jobs (COALESCE(finished_at, -62135596800000000), id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_title ON jobs (title, id) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_priority ON jobs (priority, id) WHERE finished_at IS NOT NULL;

-- How many jobs there are of each kind. Every change of a job adds a row to job_changes in its own transaction and touches
-- nothing else; now and then the rows are added up into the other two. What holds at any time is the sum of all.
CREATE TABLE job_changes (
    id        integer PRIMARY KEY,
    server_id text NOT NULL,
    hour      integer NOT NULL, -- of the job's creation, since 1970
    status    text NOT NULL,
    reason    text NOT NULL,
    jobs      integer NOT NULL, -- 1 for a job that came to be so, -1 for one that no longer is
    runs      integer NOT NULL, -- of those, how many have run to an end
    run_us    integer NOT NULL  -- and how long
) STRICT;
CREATE TABLE job_totals (
    server_id text NOT NULL, -- '' = all servers
    status    text NOT NULL,
    reason    text NOT NULL,
    jobs      integer NOT NULL,
    runs      integer NOT NULL,
    run_us    integer NOT NULL,
    PRIMARY KEY (server_id, status, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_spans (
    hours  integer NOT NULL CHECK (hours IN (1, 24)), -- how long the span is
    at     integer NOT NULL, -- its number since 1970, by the jobs' creation
    status text NOT NULL,
    reason text NOT NULL,
    jobs   integer NOT NULL,
    PRIMARY KEY (hours, at, status, reason)
) STRICT, WITHOUT ROWID;

INSERT INTO job_totals (server_id, status, reason, jobs, runs, run_us)
    SELECT server_id, status, reason, COUNT(*), COUNT(finished_at - started_at), COALESCE(SUM(finished_at - started_at), 0)
    FROM jobs GROUP BY server_id, status, reason;
INSERT INTO job_totals (server_id, status, reason, jobs, runs, run_us)
    SELECT '', status, reason, SUM(jobs), SUM(runs), SUM(run_us) FROM job_totals GROUP BY status, reason;
INSERT INTO job_spans (hours, at, status, reason, jobs)
    SELECT h.hours, created_at / 3600000000 / h.hours, status, reason, COUNT(*)
    FROM jobs, (SELECT 1 AS hours UNION ALL SELECT 24) h GROUP BY 1, 2, 3, 4;

-- +goose StatementBegin
CREATE TRIGGER job_counted AFTER INSERT ON jobs BEGIN
    INSERT INTO job_changes (server_id, hour, status, reason, jobs, runs, run_us) VALUES (
        NEW.server_id, NEW.created_at / 3600000000, NEW.status, NEW.reason, 1,
        NEW.finished_at - NEW.started_at IS NOT NULL, COALESCE(NEW.finished_at - NEW.started_at, 0));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER job_recounted AFTER UPDATE OF status, reason ON jobs WHEN OLD.status <> NEW.status OR OLD.reason <> NEW.reason BEGIN
    INSERT INTO job_changes (server_id, hour, status, reason, jobs, runs, run_us) VALUES (
        OLD.server_id, OLD.created_at / 3600000000, OLD.status, OLD.reason, -1,
        -(OLD.finished_at - OLD.started_at IS NOT NULL), COALESCE(OLD.started_at - OLD.finished_at, 0)
    ), (
        NEW.server_id, NEW.created_at / 3600000000, NEW.status, NEW.reason, 1,
        NEW.finished_at - NEW.started_at IS NOT NULL, COALESCE(NEW.finished_at - NEW.started_at, 0));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER job_uncounted AFTER DELETE ON jobs BEGIN
    INSERT INTO job_changes (server_id, hour, status, reason, jobs, runs, run_us) VALUES (
        OLD.server_id, OLD.created_at / 3600000000, OLD.status, OLD.reason, -1,
        -(OLD.finished_at - OLD.started_at IS NOT NULL), COALESCE(OLD.started_at - OLD.finished_at, 0));
END;
-- +goose StatementEnd
