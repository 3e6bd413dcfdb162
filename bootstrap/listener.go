package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// sideListener answers those who look after a program, apart from what the program is for.
type sideListener struct {
	listener net.Listener
	server   *http.Server
}

// listenAside listens on the address that a setting gives.
func listenAside(setting, addr string, h http.Handler, log *slog.Logger) (*sideListener, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, &domain.Error{
			Kind: domain.KindInvalid, Code: "address_invalid", Err: err,
			Message: fmt.Sprintf("cannot listen on %s=%q: %v; each process needs an address of its own", setting, addr, err),
		}
	}
	return &sideListener{l, &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}, nil
}

// run answers until ctx is done.
func (s *sideListener) run(ctx context.Context) error {
	unhook := context.AfterFunc(ctx, func() { _ = s.server.Close() })
	defer unhook()
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return domain.Internal("could not go on listening on "+s.listener.Addr().String(), err)
	}
	return nil
}

// close frees the address when run was never called.
func (s *sideListener) close() error {
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// aside adds a listener to a program where the setting asks for one.
func (p *Program) aside(setting, addr string, h http.Handler, log *slog.Logger) error {
	if addr == "" {
		return nil
	}
	l, err := listenAside(setting, addr, h, log)
	if err != nil {
		return err
	}
	log.Info("listening aside", "setting", setting, "addr", l.listener.Addr().String())
	p.closes(setting, l.close)
	p.runs(setting, l.run)
	return nil
}

// profiles answers under /debug/pprof/, as Go's tools expect.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// scrapes answers /metrics alone.
func scrapes(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h)
	return mux
}

// addSideListeners adds those of a program that has no address of its own for its meters.
func (p *Program) addSideListeners(cfg Config, log *slog.Logger) error {
	if err := p.addProfiles(cfg, log); err != nil {
		return err
	}
	return p.aside("METRICS_ADDR", cfg.MetricsAddr, scrapes(p.meters.Handler()), log)
}

func (p *Program) addProfiles(cfg Config, log *slog.Logger) error {
	return p.aside("PPROF_ADDR", cfg.PprofAddr, profiles(), log)
}
