package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// NewToken asks for a token.
type NewToken struct {
	Name      string
	Role      domain.Role
	ExpiresAt time.Time // zero = never
}

// IssuedToken is a token with its text, which is shown this once and kept nowhere.
type IssuedToken struct {
	Token domain.Token
	Text  domain.Secret
}

// Tokens is how administrators say who may use Remora.
type Tokens interface {
	// Create makes a token. Fails with domain.KindInvalid (name_invalid, role_invalid, expires_at_invalid), ErrTokenNameTaken.
	Create(ctx context.Context, n NewToken) (IssuedToken, error)
	// List returns all tokens by name, those that have expired too.
	List(ctx context.Context) ([]domain.Token, error)
	// Rotate gives a token another text. The old one lets nobody in any more, and the sessions begun with it are over.
	// Fails with ErrTokenNotFound.
	Rotate(ctx context.Context, id domain.TokenID) (IssuedToken, error)
	// Delete removes a token; sessions begun with it are over. Fails with ErrTokenNotFound, ErrLastAdmin.
	Delete(ctx context.Context, id domain.TokenID) error
}

// Authenticator tells who holds a token.
type Authenticator interface {
	// Authenticate returns the holder. Fails with ErrUnauthenticated, ErrTokenExpired, ErrStorageUnavailable.
	Authenticate(ctx context.Context, token domain.Secret) (domain.Principal, error)
}

// Proof is what somebody signs in with: one of the two.
type Proof struct {
	Token domain.Secret
	Code  domain.Secret // of a sign-in address
}

// Session says who is signed in.
type Session struct {
	Principal domain.Principal
	ExpiresAt time.Time // of a browser's session; zero for a token
}

// IssuedPass is a pass's text, which is shown this once and kept nowhere.
type IssuedPass struct {
	Text      domain.Secret
	ExpiresAt time.Time
}

// Sessions is how browsers are signed in.
type Sessions interface {
	// SignIn begins a session. Fails with ErrUnauthenticated, ErrTokenExpired, ErrCodeUsed.
	SignIn(ctx context.Context, p Proof) (IssuedPass, Session, error)
	// Resume returns the session with this text. Fails with ErrSessionOver.
	Resume(ctx context.Context, text domain.Secret) (Session, error)
	// SignOut ends a session for good. One that is over already stays over.
	SignOut(ctx context.Context, text domain.Secret) error
	// Code makes a code by which somebody signs in once as p. Fails with ErrUnauthenticated when p's token is gone.
	Code(ctx context.Context, p domain.Principal) (IssuedPass, error)
}

// SignInCode is the address that signs its visitor in once.
type SignInCode struct {
	URL       domain.Secret
	ExpiresAt time.Time
}

// Account is what whoever asks over the API learns of themselves.
type Account interface {
	// Who returns who asks. Fails with ErrUnauthenticated, ErrTokenExpired.
	Who(ctx context.Context) (Session, error)
	// Code makes an address at which a browser signs in once as who asks. Fails with ErrUnauthenticated, and with
	// sign_in_off, domain.KindConflict, where nobody signs in.
	Code(ctx context.Context) (SignInCode, error)
}

// TokenRepository keeps tokens by the hash of their text, 32 bytes. A hash that was removed or replaced is never taken again.
type TokenRepository interface {
	// Add stores a token. Fails with ErrTokenInUse when its hash is another's, ErrTokenNameTaken, ErrTokenRevoked.
	Add(ctx context.Context, t domain.Token, hash [32]byte) error
	// Find returns the token with this hash, also one that has expired. Fails with ErrUnauthenticated.
	Find(ctx context.Context, hash [32]byte) (domain.Token, error)
	// List returns all tokens by name.
	List(ctx context.Context) ([]domain.Token, error)
	// Replace gives a token another hash and removes its passes. Fails with ErrTokenNotFound, ErrTokenInUse, ErrTokenRevoked.
	Replace(ctx context.Context, id domain.TokenID, hash [32]byte) (domain.Token, error)
	// Delete removes a token with its passes. Fails with ErrTokenNotFound, and with ErrLastAdmin when it is an
	// administrator's and no other of theirs is there that has not expired at now.
	Delete(ctx context.Context, id domain.TokenID, now time.Time) error
	// Touch notes that a token was used at a time, if none later is noted; an unknown one is left alone.
	Touch(ctx context.Context, id domain.TokenID, at time.Time) error
}

// PassRepository keeps passes by the hash of their text.
type PassRepository interface {
	// Add stores a pass, and removes those that had ended when it was made. Fails with ErrTokenNotFound.
	Add(ctx context.Context, p domain.Pass, hash [32]byte) error
	// Find returns a pass of this kind with its token, also one that has ended. Fails with ErrUnauthenticated.
	Find(ctx context.Context, kind domain.PassKind, hash [32]byte) (domain.Pass, domain.Token, error)
	// Take is Find, and removes the pass: of any number of calls one finds it.
	Take(ctx context.Context, kind domain.PassKind, hash [32]byte) (domain.Pass, domain.Token, error)
}
