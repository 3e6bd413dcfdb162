package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// watcher shows a list of jobs again and again.
type watcher struct {
	app   *app
	every time.Duration
	list  func(context.Context) (ports.JobPage, error)
	shown map[domain.JobID]int64 // revisions of what was appended
}

// watch goes on until ctx is done. An API that was there once and is away is waited for.
func (w *watcher) watch(ctx context.Context) error {
	paint := w.append
	if w.app.tty.out && w.app.global.form == formTable {
		paint = w.repaint
	}
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for met := false; ; {
		page, err := w.list(ctx)
		switch kind := domain.KindOf(err); {
		case ctx.Err() != nil:
		case err == nil:
			met = true
			w.app.reach(nil)
			if err := paint(page); err != nil {
				return err
			}
		case !met || kind != domain.KindUnavailable && kind != domain.KindExhausted && kind != domain.KindTimeout:
			return err
		default:
			w.app.reach(err)
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errInterrupted) {
				return exit(exitInterrupted)
			}
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

const (
	cursorHome = "\x1b[H"
	eraseLine  = "\x1b[K"
	eraseBelow = "\x1b[J"
)

// repaint writes over what the terminal shows, without a line that is too many or too long.
func (w *watcher) repaint(page ports.JobPage) error {
	width, height := w.app.size()
	var table bytes.Buffer
	tabs := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	w.app.jobRows(tabs, page.Jobs)
	if err := tabs.Flush(); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(table.String(), "\n"), "\n")
	head := w.app.Now().Format("15:04:05") + "  " + totalText(page) + ", again every " + w.every.String() + "; Ctrl-C ends"
	lines = append([]string{head, ""}, lines...)
	var out strings.Builder
	out.WriteString(cursorHome)
	for i, line := range lines[:min(len(lines), max(1, height-1))] {
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(clip(strings.TrimRight(line, " "), width) + eraseLine)
	}
	out.WriteString("\r\n" + eraseBelow)
	_, err := io.WriteString(w.app.Stdout, out.String())
	return err
}

// clip cuts a line that would go on in the terminal's next one.
func clip(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(0, width-1)]) + "…"
}

// append prints the jobs that are new or have changed, the oldest first.
func (w *watcher) append(page ports.JobPage) error {
	before := w.shown
	w.shown = make(map[domain.JobID]int64, len(page.Jobs))
	for _, d := range slices.Backward(page.Jobs) {
		w.shown[d.Job.ID] = d.Job.Revision
		if revision, ok := before[d.Job.ID]; ok && revision == d.Job.Revision {
			continue
		}
		if err := w.line(d); err != nil {
			return err
		}
	}
	return nil
}

// line prints one job on a line of its own.
func (w *watcher) line(d ports.JobDetail) error {
	switch w.app.global.form {
	case formJSON:
		e := json.NewEncoder(w.app.Stdout)
		e.SetEscapeHTML(false)
		return e.Encode(jobInList(d))
	case formYAML:
		if _, err := io.WriteString(w.app.Stdout, "---\n"); err != nil {
			return err
		}
		return writeYAML(w.app.Stdout, jobInList(d))
	}
	var b bytes.Buffer
	w.app.jobRow(&b, d)
	_, err := w.app.Stdout.Write(b.Bytes())
	return err
}
