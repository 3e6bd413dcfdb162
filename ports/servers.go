package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// NewServer asks for a server. Zero values take the defaults: port 22, active, confirm, 8 sessions.
type NewServer struct {
	Name          string
	Hostname      string
	Port          int
	User          string
	Auth          domain.AuthType
	Active        *bool
	Tags          []string
	HostKeyPolicy domain.HostKeyPolicy
	HostKey       string          // a SHA256:… fingerprint or a known_hosts line; empty = unknown
	ProxyJump     domain.ServerID // the server it is reached through; empty = directly
	MaxSessions   int
	Credential    domain.Credential
	Key           string // the name of a stored key to log in with, in place of a private key in Credential
}

// ServerChange names what to change; nil leaves a field as it is.
type ServerChange struct {
	Name          *string
	Hostname      *string
	Port          *int
	User          *string
	Auth          *domain.AuthType
	Active        *bool
	Tags          *[]string
	HostKeyPolicy *domain.HostKeyPolicy
	ProxyJump     *domain.ServerID // empty = directly
	MaxSessions   *int
	Credential    *domain.Credential
	Key           *string // the name of a stored key
}

// ServerQuery selects servers, by name.
type ServerQuery struct {
	Active *bool
	Tag    string
	IDs    []domain.ServerID // only these; empty = all
	Tags   []string          // with all of these
	Search string            // part of name or hostname, whatever the case
	Limit  int               // 1 to 1000; 0 = 1000
	Cursor string
}

// ServerPage is a page of servers by name.
type ServerPage struct {
	Servers []domain.Server
	Next    string
}

// Servers is what people do with servers.
type Servers interface {
	// Create stores a server, its credential sealed. Fails with domain.KindInvalid (the field's code), ErrServerNameTaken,
	// ErrKeyNotFound, ErrJumpNotFound, ErrVaultSealed, and domain.KindUnprocessable as KeyReader.ReadKey.
	Create(ctx context.Context, n NewServer) (domain.Server, error)
	// Get fails with ErrServerNotFound.
	Get(ctx context.Context, id domain.ServerID) (domain.Server, error)
	// List returns a page. Fails with domain.KindInvalid.
	List(ctx context.Context, q ServerQuery) (ServerPage, error)
	// Update changes what c names. A changed address, user or host key leaves the server without its credential unless c
	// brings one, and so does another way to a server whose host key is unknown; a changed address drops the pinned host
	// key too. Fails with ErrServerNotFound, ErrServerNameTaken, ErrServerChanged, ErrJumpLoop, ErrJumpTooLong, and as Create.
	Update(ctx context.Context, id domain.ServerID, c ServerChange) (domain.Server, error)
	// Delete removes a server; with force its finished jobs too, whose number it returns. Fails with ErrServerNotFound,
	// ErrServerIsJump (details used_by: the names of those reached through it), and with ErrServerHasJobs with details
	// active_jobs (never forced) or total_jobs (not forced). A long history goes piece by piece, and the server takes no
	// jobs meanwhile; who is interrupted begins again and it goes on.
	Delete(ctx context.Context, id domain.ServerID, force bool) (deletedJobs int64, err error)
}

// TestStep is a step of a connection test.
type TestStep string

// The steps, in order.
const (
	StepResolve TestStep = "resolve"
	StepConnect TestStep = "connect"
	StepHostKey TestStep = "host_key"
	StepLogin   TestStep = "login"
	StepSession TestStep = "session"
)

// TestReport is the outcome of a connection test.
type TestReport struct {
	Server  domain.ServerID
	OK      bool
	Hop     domain.ServerID // the jump server at which it failed; empty when OK, or when it failed at the server itself
	Step    TestStep        // the step that failed; empty when OK
	Reason  domain.Reason   // of the failure
	Message string          // for people
	Latency time.Duration   // of dial, handshake and login
	Seen    *domain.HostKey // the key the server showed, nil when it got not so far
	Mode    domain.Mode     // how commands will run there
	Cause   string          // why so, in words
}

// ServerAccess is how people learn whether a server can be reached, and say which host key is its own.
type ServerAccess interface {
	// Test logs in and looks at what the server offers; the report says how far it got. Under accept-new it pins the key.
	// A server that cannot be reached is a report, not an error. Fails with ErrServerNotFound, ErrVaultSealed.
	Test(ctx context.Context, id domain.ServerID) (TestReport, error)
	// Trust pins a host key by its SHA256:… fingerprint, replacing another. Fails with ErrServerNotFound, fingerprint_invalid.
	Trust(ctx context.Context, id domain.ServerID, fingerprint string) (domain.Server, error)
	// Check logs in, over a connection that stands already where there is one, and stores and returns the outcome: connected
	// means that commands can be sent. It takes no longer than CheckTimeout and little more. Under accept-new it pins the key
	// of a server never seen. Fails with ErrServerNotFound, ErrVaultSealed.
	Check(ctx context.Context, id domain.ServerID) (ServerStatus, error)
	// CheckAll checks the servers that q selects, many at once, and returns their outcomes by name; of q only Active and Tag
	// count. It takes no longer than Check while not more than ChecksAtOnce of them do not answer. Fails with ErrVaultSealed.
	CheckAll(ctx context.Context, q ServerQuery) ([]ServerStatus, error)
}

// ServerStatus is the outcome of a check.
type ServerStatus struct {
	Server domain.ServerRef
	Check  domain.Check
}

// The bounds of checks.
const (
	CheckTimeout = 10 * time.Second // of one server
	ChecksAtOnce = 256              // of CheckAll
)
