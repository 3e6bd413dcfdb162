package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Idempotency ties a submission to a caller's key. The zero value ties nothing.
type Idempotency struct {
	Key         string // 1 to 255 bytes, of one caller
	Fingerprint string // of the request, to tell a repeat from a reuse
}

// JobRows is a page of stored jobs with the count of all that match.
type JobRows struct {
	Jobs   []*domain.Job
	Total  int64  // exact, unless Capped
	Capped bool   // there are more than Total
	Next   string // cursor of the next page; empty on the last
}

// JobRepository keeps jobs. Every write of a job is one transaction that also keeps the record of an ended attempt
// (domain.Job.EndedAttempt) and, when the job no longer takes a place on its server, releases held jobs of that server
// into the room, most urgent first.
type JobRepository interface {
	// Add stores new jobs, all or none. With an idempotency key that was used for the same fingerprint within the last 24
	// hours nothing is stored and the earlier job is returned; else the returned job is nil. Fails with ErrJobExists,
	// ErrServerNotFound, ErrIdempotencyKey (another fingerprint).
	Add(ctx context.Context, key Idempotency, jobs ...*domain.Job) (earlier *domain.Job, err error)
	// Get fails with ErrJobNotFound. The returned job is a copy.
	Get(ctx context.Context, id domain.JobID) (*domain.Job, error)
	// Save stores what verbs changed, if nobody saved the job since it was read, and raises job.Revision. Output and LastSeq
	// belong to the OutputStore and are not written, but that Output becomes zero when the job is saved as claimed. Fails
	// with ErrStaleJob, and then changes nothing, ErrJobNotFound.
	Save(ctx context.Context, job *domain.Job) error
	// List returns a page of jobs as q wants them, by (sort field, id), and by (status, time of creation, id) when sorted by
	// status, so that paging by cursor is stable while jobs come in. Fails with cursor_invalid.
	List(ctx context.Context, q JobQuery) (JobRows, error)
	// Attempts returns the ended attempts of a job by number; none for an unknown job.
	Attempts(ctx context.Context, id domain.JobID) ([]domain.Attempt, error)
}

// Backlog is the table of jobs as the dispatcher and the sweeper see it. Each method is one transaction, or several of
// bounded size, and may run in any number of processes at once: no job is handled twice for one reason, and no server
// ever has more jobs in flight (domain.Job.InFlight) than its MaxSessions, no batch more than its MaxParallel. Each uses the
// jobs' verbs.
type Backlog interface {
	// Take looks at up to limit pending jobs in their turn, as long as the queue wants them (domain.Window).
	// Those whose server and batch have room become enqueued, and their tickets are returned; the others become held, or end
	// where their batch is stopped. It also reoffers up to limit detached jobs whose next action is due. more says that there
	// was more than limit that the queue wants.
	Take(ctx context.Context, limit int, at time.Time) (tickets []domain.Ticket, more bool, err error)
	// Return puts jobs back whose tickets the queue did not take; jobs that have moved on meanwhile are left alone.
	Return(ctx context.Context, tickets []domain.Ticket, at time.Time) error
	// Wake makes up to limit backoff, held and enqueued jobs pending whose next action is due. It returns how many.
	Wake(ctx context.Context, limit int, at time.Time) (int, error)
	// Adopt tells which store stands behind a queue's name. When it is not the one seen last, every enqueued job becomes
	// pending and every detached one due, and it returns how many; else 0.
	Adopt(ctx context.Context, queue, store string, at time.Time) (int, error)
	// DetachSilent detaches up to limit running jobs whose worker's lease has run out by the database's clock, or is not
	// registered. It returns them as they are now; what they run may be left out.
	DetachSilent(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error)
	// Expire ends up to limit jobs with domain.Job.Expire. It returns them as they are now; what they run may be left out.
	Expire(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error)
}

// WorkerRepository keeps the workers and their leases, timed by the database's clock alone.
type WorkerRepository interface {
	// Register begins a worker's lease. Fails with domain.KindConflict (worker_exists) on a known id.
	Register(ctx context.Context, w domain.Worker, lease time.Duration) error
	// Renew extends the lease and returns the ids of the worker's running jobs whose cancel was requested. Fails with
	// ErrWorkerNotFound, and then renews nothing, when the worker is unknown or its lease had run out.
	Renew(ctx context.Context, id domain.WorkerID, lease time.Duration) (cancels []domain.JobID, err error)
	// Retire ends the lease. Unknown ids are fine.
	Retire(ctx context.Context, id domain.WorkerID) error
	// List returns the workers whose lease is running, oldest first.
	List(ctx context.Context) ([]domain.Worker, error)
}

// Totals are the counts of all there is.
type Totals struct {
	Servers, Connected, Disconnected int64 // the latter two by the servers' last checks
	Jobs                             []JobCount
	Recent                           int64     // jobs created since the hour that was asked for
	OldestQueued                     time.Time // when the oldest queued job was created; zero where none is
	Carried                          map[domain.WorkerID]int
}

// JobCount counts the jobs of one status and reason.
type JobCount struct {
	Status  domain.Status
	Reason  domain.Reason
	Jobs    int64
	Runs    int64         // those that were started and have ended
	RunTime time.Duration // of all runs together
}

// TotalsRepository keeps counts beside the jobs, in the transactions that change them.
type TotalsRepository interface {
	// Totals returns the counts as of one moment. Its cost does not grow with the number of jobs that have ended. Jobs has an
	// entry for every status and reason that there is; Recent counts from the beginning of the hour that recent lies in;
	// Carried counts the running jobs of each worker that has any.
	Totals(ctx context.Context, recent time.Time) (Totals, error)
}

// Append is one write of output: pieces in the order they came.
type Append struct {
	Job     domain.JobID
	Attempt int
	Epoch   int64
	From    domain.Offsets // what the writer believes is stored of this attempt
	Pieces  []Piece
	At      time.Time
}

// Piece is a run of bytes of one stream.
type Piece struct {
	Stream domain.Stream
	Data   []byte
}

// OutputStore keeps output. An append moves the job's Output and LastSeq and nothing else of it, not its Revision.
type OutputStore interface {
	// Append stores the pieces as chunks, each with the next sequence number of the job, all or none, if the job is
	// running with this attempt and epoch and exactly From is stored. Fails with ErrLeaseLost on another attempt, epoch or
	// a job that is not running, ErrStaleOutput on other offsets, ErrJobNotFound.
	Append(ctx context.Context, a Append) (last domain.Seq, err error)
	// Chunks returns up to limit chunks after a sequence number, in order; it stops after about 1 MiB of data. None for an
	// unknown job.
	Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int) ([]domain.Chunk, error)
	// ReadAt fills p with bytes of one stream of an attempt from offset on, and returns how many there were; fewer than
	// len(p) only where the stored stream ends. Reading at or past the end is 0 and nil.
	ReadAt(ctx context.Context, a domain.AttemptID, s domain.Stream, p []byte, offset int64) (int, error)
}

// ServerRepository keeps servers and, apart from them, their sealed credentials.
type ServerRepository interface {
	// Add stores a server and, unless it is nil, its credential. Fails with ErrServerNameTaken, ErrKeyNotFound,
	// ErrJumpNotFound, ErrJumpLoop, ErrJumpTooLong; no race leads to a loop or to a key or jump server that is not there.
	Add(ctx context.Context, s *domain.Server, credential domain.Sealed) error
	// Get fails with ErrServerNotFound. Credential is nil where none is stored.
	Get(ctx context.Context, id domain.ServerID) (s *domain.Server, credential domain.Sealed, err error)
	// Save stores a changed server if nobody saved it since it was read, and raises its Revision. A non-nil credential
	// replaces the stored one, an empty one removes it. Fails with ErrServerChanged, ErrServerNotFound, and as Add.
	Save(ctx context.Context, s *domain.Server, credential *domain.Sealed) error
	// List returns a page by name. Fails with cursor_invalid.
	List(ctx context.Context, q ServerQuery) (ServerPage, error)
	// Refs returns the summaries of the given servers; unknown ids are left out.
	Refs(ctx context.Context, ids []domain.ServerID) (map[domain.ServerID]domain.ServerRef, error)
	// Delete removes a server with its credential and, if force, its finished jobs with their output. Fails as Servers.Delete.
	Delete(ctx context.Context, id domain.ServerID, force bool) (deletedJobs int64, err error)
}

// ServerCheck is the outcome of a check of a server as it was when it was read.
type ServerCheck struct {
	Server domain.Server
	Check  domain.Check
}

// ServerChecks keeps the outcomes of checks.
type ServerChecks interface {
	// Keep stores each check as its server's LastCheck, whatever else changed the server meanwhile, and leaves its Revision
	// as it is; but a check of another address, user or way tells nothing and is dropped, and so is one that is older than
	// the stored one. Fails with ErrStorageUnavailable.
	Keep(ctx context.Context, checks ...ServerCheck) error
}

// MasterKeyCheck keeps a value by which every program can tell whether its master key is the one that seals the secrets here.
type MasterKeyCheck interface {
	// Keep stores the value unless one is stored, and returns the one that is. Fails with ErrStorageUnavailable.
	Keep(ctx context.Context, value domain.Sealed) (stored domain.Sealed, err error)
}

// Pinger is asked whether it is there.
type Pinger interface {
	// Ping fails with ErrStorageUnavailable or ErrQueueUnavailable.
	Ping(ctx context.Context) error
}
