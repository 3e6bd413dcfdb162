package bootstrap

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"github.com/heysubinoy/remora/ports"
)

// logTime is RFC 3339 with milliseconds, always in UTC.
const logTime = "2006-01-02T15:04:05.000Z07:00"

// NewLogger returns the logger that everything else is given: zerolog behind log/slog, with the level and format of the
// settings. Values of type domain.Secret show as "[secret]", wherever they stand.
func NewLogger(c Config, w io.Writer) *slog.Logger {
	if c.LogFormat == LogText || c.LogFormat == LogAuto && terminal(w) {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !terminal(w) || os.Getenv("NO_COLOR") != "", TimeFormat: "15:04:05.000"}
	}
	levels := map[slog.Level]zerolog.Level{
		slog.LevelDebug: zerolog.DebugLevel, slog.LevelInfo: zerolog.InfoLevel,
		slog.LevelWarn: zerolog.WarnLevel, slog.LevelError: zerolog.ErrorLevel,
	}
	return slog.New(logHandler{inner: zerolog.NewSlogHandler(zerolog.New(w).Level(levels[c.LogLevel]))})
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// requestIDKey is where the request's id stands in every line that was written on its behalf.
const requestIDKey = "request_id"

// logHandler adds the id of the request to what is logged on its behalf, and mends two things of zerolog's handler: its times are cut to seconds unless a global is changed, and a group
// swallows the attributes that were given before it.
type logHandler struct {
	inner  slog.Handler
	groups []string
}

// Enabled implements slog.Handler.
func (h logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(time.Time{}, r.Level, r.Message, r.PC)
	if !r.Time.IsZero() {
		out.AddAttrs(slog.String(zerolog.TimestampFieldName, r.Time.UTC().Format(logTime)))
	}
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	out.AddAttrs(h.grouped(attrs)...)
	named := func(a slog.Attr) bool { return a.Key == requestIDKey }
	if id := ports.RequestOf(ctx); id != "" && !slices.ContainsFunc(attrs, named) {
		out.AddAttrs(slog.String(requestIDKey, id))
	}
	return h.inner.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{inner: h.inner.WithAttrs(h.grouped(attrs)), groups: h.groups}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return logHandler{inner: h.inner, groups: append(h.groups[:len(h.groups):len(h.groups)], name)}
}

func (h logHandler) grouped(attrs []slog.Attr) []slog.Attr {
	for i := len(h.groups) - 1; i >= 0; i-- {
		attrs = []slog.Attr{{Key: h.groups[i], Value: slog.GroupValue(attrs...)}}
	}
	return attrs
}
