package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Target is a server with what it takes to log in.
type Target struct {
	Server     domain.Server
	Credential domain.Credential
	Via        *Target // the jump server it is reached through; nil = directly
}

// Sink receives what happens to an attempt, in order, from one goroutine at a time. An error from it ends the run with
// that error and leaves the command running.
type Sink interface {
	// Started is called once the server is known to have started the command; at most once per run.
	Started(ctx context.Context, p domain.Process) error
	// Output is called with the next bytes of a stream; data is only valid during the call. It may block: the run then
	// reads no more from the server.
	Output(ctx context.Context, s domain.Stream, data []byte) error
}

// Executor runs attempts on servers. Errors are: *domain.Failure when the attempt has ended or will never start, with its
// reason; ErrCut when the connection is gone or could not be made and only the server knows the attempt's fate (Attach
// tells it); the Sink's or the context's error, which leave a durable command running.
type Executor interface {
	// Start runs a command as an attempt, at most once however often it is called, and follows it to its end. All output
	// was given to the sink when it returns the exit. An attempt that was started before is followed from the beginning.
	// A failed connection, login or host-key check is a *domain.Failure with NotStarted.
	Start(ctx context.Context, t Target, id domain.AttemptID, c domain.Command, sink Sink) (domain.Exit, error)
	// Attach follows a started attempt from the given offsets to its end. An attempt that the server does not know to be
	// started is made void, for ever, and is a *domain.Failure{ReasonLost, NotStarted}. One whose process is gone without
	// an exit is ReasonLost, or ReasonServerRebooted when the server's boot id is another than process.Boot. Here a failed
	// connection is ErrCut; a refused login or host key is a *domain.Failure without NotStarted.
	Attach(ctx context.Context, t Target, id domain.AttemptID, process *domain.Process, from domain.Offsets, sink Sink) (domain.Exit, error)
	// Kill ends all processes of an attempt: TERM, after grace KILL, until two looks in a row find nothing. An attempt not
	// yet started is made void first, so that it never will be. The receipt says what is left. Fails with ErrCut, or a
	// *domain.Failure when the server cannot be reached or refuses us.
	Kill(ctx context.Context, t Target, id domain.AttemptID, grace time.Duration) (domain.Receipt, error)
	// Remove deletes what finished attempts left on the server. Best effort: what stays is swept later.
	Remove(ctx context.Context, t Target, ids ...domain.AttemptID) error
}

// ErrCut says that the connection to the server was cut: only the server knows the attempt's fate.
var ErrCut = &domain.Error{Kind: domain.KindUnavailable, Code: "connection_cut", Message: "the connection to the server was cut"}

// Prober looks at a server without running anything of the user's.
type Prober interface {
	// Probe logs in and looks at what the server offers. The report says how far it got. With pin, a server whose key is
	// unknown is logged in to and the key is reported as seen; without, nothing is sent to it after its key.
	Probe(ctx context.Context, t Target, pin bool) TestReport
	// Check tells whether commands can be sent to a server: it asks a connection that stands, and logs in where none does.
	// The report's Mode stays unknown. It takes no longer than ctx.
	Check(ctx context.Context, t Target) TestReport
}

// KeyReader reads private keys and host keys.
type KeyReader interface {
	// ReadKey tells about a private key. Fails with ErrKeyUnreadable, key_encrypted (a passphrase is needed),
	// passphrase_wrong, key_public, key_certificate, key_putty and key_weak, all domain.KindUnprocessable.
	ReadKey(key, passphrase domain.Secret) (domain.KeyInfo, error)
	// Unlock returns a private key as OpenSSH text without a passphrase, whatever its form was. Fails as ReadKey.
	Unlock(key, passphrase domain.Secret) (text domain.Secret, info domain.KeyInfo, err error)
	// ReadHostKey reads a SHA256:… fingerprint or a known_hosts line. Fails with host_key_invalid.
	ReadHostKey(text string) (domain.HostKey, error)
}
