package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
)

// API is a program with the API server in it.
type API struct {
	Program
	signIn func(ctx context.Context) (address string, until time.Time, err error)
	first  bool // the admin token was made by this start
}

func (p *API) addAPI(ctx context.Context, cfg Config, s Secrets, f *foundation, log *slog.Logger) error {
	tokens := &application.Tokens{Repository: f.store.Tokens(), Clock: f.clock, Entropy: f.entropy}
	sessions := &application.Sessions{Tokens: tokens, Repository: f.store.Passes(), Key: s.Session, Clock: f.clock}
	admin, err := p.grantAdmin(ctx, cfg, tokens, log)
	if err != nil {
		return err
	}
	jobs := f.jobs(cfg, log)
	server, err := httpapi.Open(httpapi.Config{
		Addr: cfg.ServerAddr, CORSOrigins: cfg.CORSAllowedOrigins, AuthNone: cfg.AuthMode == AuthNone,
		Jobs: jobs, Batches: &application.Batches{Jobs: jobs, Repository: f.meters.Batches(f.store.Batches())},
		Output: f.output(), Servers: f.servers, Access: f.servers, Keys: f.keys, MaxUpload: cfg.MaxUploadSize,
		System: f.system(),
		Auth:   tokens, Tokens: tokens, Sessions: sessions, Logger: log.With("part", "api"), Version: Version,
		Metrics: p.meters.Handler(), Count: p.meters.Request,
	})
	if err != nil {
		return err
	}
	p.url = server.URL()
	p.signIn = func(ctx context.Context) (string, time.Time, error) {
		if cfg.AuthMode == AuthNone || admin.ID == "" {
			return p.url, time.Time{}, nil
		}
		code, err := sessions.Code(ctx, admin.Principal())
		if err != nil {
			return "", time.Time{}, err
		}
		return client.SignInURL(p.url, code.Text).Reveal(), code.ExpiresAt, nil
	}
	p.runs("api", server.Run)
	return nil
}

// grantAdmin lets the holder of the data directory's token in as an administrator, and shows the token the one time it is
// made. Each data directory has a token of its own: API servers on several machines do not take each other's away.
func (p *API) grantAdmin(ctx context.Context, cfg Config, tokens *application.Tokens, log *slog.Logger) (domain.Token, error) {
	text, made, err := cfg.AdminToken()
	if err != nil {
		return domain.Token{}, err
	}
	if made {
		p.first = true
		fmt.Fprintf(os.Stderr, "The admin token, shown this once and kept in %s:\n\n    %s\n\n", cfg.AdminTokenFile(), text.Reveal())
	}
	token, err := tokens.Grant(ctx, adminName(cfg.DataDir), text)
	if errors.Is(err, domain.ErrTokenRevoked) {
		log.Warn("the token of the data directory was removed by an administrator and lets nobody in; remove its file to have another made",
			"file", cfg.AdminTokenFile())
		return domain.Token{}, nil
	}
	return token, err
}

// adminName tells the administrators' tokens that starts have made apart.
func adminName(dataDir string) string {
	host, _ := os.Hostname()
	if whole, err := filepath.Abs(dataDir); err == nil {
		dataDir = whole
	}
	name := []rune("admin@" + host + ":" + dataDir)
	if extra := len(name) - domain.MaxTokenName; extra > 0 {
		name = append([]rune("admin@…"), name[extra+len("admin@")+1:]...)
	}
	return string(name)
}

// announce tells the visitor where to go: an address that signs them in, once.
func (p *AllInOne) announce(ctx context.Context, cfg Config) error {
	address, until, err := p.signIn(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "\nRemora is up at %s — the admin token is in %s\n", p.URL(), cfg.AdminTokenFile())
	tellAddress(address, until)
	return nil
}

// announceFirst tells whoever starts an API server for the first time where to sign in.
func (p *API) announceFirst(ctx context.Context) error {
	if !p.first {
		return nil
	}
	address, until, err := p.signIn(ctx)
	if err == nil {
		tellAddress(address, until)
	}
	return err
}

func tellAddress(address string, until time.Time) {
	if !until.IsZero() {
		fmt.Fprintf(os.Stderr, "To sign in, once and until %s, open  %s\n", until.Local().Format("15:04"), address)
	}
}
