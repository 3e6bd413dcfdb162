package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// maxCompared bounds how much of a stream is compared line by line.
const maxCompared = 4 << 20

// grouper prints what the jobs of a batch have printed, equal outputs once.
type grouper struct {
	app    *app
	output ports.Output
	face   screen.Face // of stdout
	diff   bool
}

func (a *app) grouper(s Services, diff bool) *grouper {
	out, _ := a.faces()
	return &grouper{app: a, output: s.Output, face: out, diff: diff}
}

// print prints every group: the first whole, the others whole or as what differs.
func (g *grouper) print(ctx context.Context, groups domain.Groups) error {
	for i, group := range groups.Finished {
		if i > 0 {
			if err := g.write("\n"); err != nil {
				return err
			}
		}
		if err := g.head(group); err != nil {
			return err
		}
		var err error
		if i > 0 && g.diff {
			err = g.differences(ctx, groups.Finished[0], group)
		} else {
			err = g.whole(ctx, group)
		}
		if err != nil {
			return err
		}
	}
	if len(groups.Unfinished) > 0 {
		g.app.note("%s: not finished", namesOf(groups.Unfinished))
	}
	return nil
}

func (g *grouper) write(text string) error {
	_, err := io.WriteString(g.face.To, text)
	return err
}

// head prints the names of a group and how its jobs ended.
func (g *grouper) head(group domain.Group) error {
	names := namesOf(group.Results)
	if g.face.Color {
		names = screen.Bold(names)
	}
	return g.write(fmt.Sprintf("== %s (%s): %s\n", names, count(len(group.Results), "server"), outcomeText(group.Outcome)))
}

func namesOf(results []domain.Result) string {
	names := make([]string, len(results))
	for i, r := range results {
		names[i] = r.Name
	}
	return screen.Fold(names)
}

// outcomeText tells how equal jobs ended.
func outcomeText(o domain.Outcome) string {
	switch {
	case o.Status == domain.StatusCompleted || o.Reason == "":
		return string(o.Status)
	case o.Exited && o.Reason == domain.ReasonExitNonzero:
		return string(o.Status) + " with exit code " + exitText(&o.Exit)
	case o.Exited && o.Reason == domain.ReasonSignal:
		return string(o.Status) + " by " + exitText(&o.Exit)
	}
	return string(o.Status) + ": " + string(o.Reason)
}

// whole prints what a group's jobs have printed: stdout as it is, then stderr line by line on stderr, behind the names.
func (g *grouper) whole(ctx context.Context, group domain.Group) error {
	lane := screen.NewRaw(g.face, g.face)
	if err := g.copy(ctx, group, domain.Stdout, laneWriter{lane, domain.Stdout}); err != nil {
		return err
	}
	if err := lane.End(); err != nil || group.Output.Stderr == 0 {
		return err
	}
	_, face := g.app.faces()
	names := namesOf(group.Results)
	side := screen.NewWall(face, face, []string{names}).Lane(names)
	if err := g.copy(ctx, group, domain.Stderr, laneWriter{side, domain.Stderr}); err != nil {
		return err
	}
	return side.Flush()
}

func (g *grouper) copy(ctx context.Context, group domain.Group, s domain.Stream, to io.Writer) error {
	if group.Output.Of(s) == 0 {
		return nil
	}
	r, _, err := g.output.Open(ctx, group.Results[0].Job, s, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, r)
	if closed := r.Close(); err == nil {
		err = closed
	}
	return err
}

// differences prints how what a group has printed differs from another's.
func (g *grouper) differences(ctx context.Context, from, to domain.Group) error {
	equal := true
	for _, s := range []domain.Stream{domain.Stdout, domain.Stderr} {
		if outputOf(from, s) == outputOf(to, s) {
			continue
		}
		equal = false
		if from.Output.Of(s) > maxCompared || to.Output.Of(s) > maxCompared {
			if err := g.write(fmt.Sprintf("%s is too long to compare; `remora jobs logs %s` prints it\n", s, to.Results[0].Job)); err != nil {
				return err
			}
			continue
		}
		var a, b bytes.Buffer
		if err := g.copy(ctx, from, s, &a); err != nil {
			return err
		}
		if err := g.copy(ctx, to, s, &b); err != nil {
			return err
		}
		diff := udiff.Unified(namesOf(from.Results)+" "+s.String(), namesOf(to.Results)+" "+s.String(), a.String(), b.String())
		if err := g.colored(diff); err != nil {
			return err
		}
	}
	if equal {
		return g.write("the same output\n")
	}
	return nil
}

// outputOf is what makes two streams equal.
func outputOf(g domain.Group, s domain.Stream) any {
	digest := g.Stdout
	if s == domain.Stderr {
		digest = g.Stderr
	}
	return [2]any{digest, g.Output.Of(s)}
}

// colored prints a unified diff in the colours that people know.
func (g *grouper) colored(diff string) error {
	var out strings.Builder
	for line := range strings.Lines(diff) {
		text, ended := strings.CutSuffix(line, "\n")
		if g.face.Terminal {
			var f screen.Filter
			text = string(f.Flush(f.Append(nil, []byte(text))))
		}
		if g.face.Color {
			text = screen.PaintDiff(text)
		}
		out.WriteString(text)
		if ended {
			out.WriteString("\n")
		}
	}
	return g.write(out.String())
}
