package cli

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type outputOptions struct {
	follow bool
	stdout bool
	stderr bool
	since  int64
}

func (a *app) jobsOutputCommand() *cobra.Command {
	var o outputOptions
	c := &cobra.Command{
		Use: "logs JOB", Aliases: []string{"output"}, Short: "Print what a job printed",
		Long: `Logs prints what is stored of a job's output, its stdout to stdout and its stderr to stderr, byte for byte where they are
not terminals. With -f it goes on until the job has ended; Ctrl-C leaves the job alone. With --stdout or --stderr only that
stream is printed, to stdout; without -f and --since only the last attempt's. With -o json every piece of output is a JSON
object on a line of its own, with -o yaml a document; base64 has the bytes where they are not UTF-8.`,
		Example: `  remora jobs logs 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e
  remora jobs logs -f JOB
  remora jobs logs JOB --stdout > out.bin`,
		Args:              exactly("JOB"),
		ValidArgsFunction: onlyFirst(a.jobIDs),
		RunE: func(c *cobra.Command, args []string) error {
			if err := exclusive(c, "stdout", "stderr"); err != nil {
				return err
			}
			if o.since < 0 {
				return usage("--since %d is out of range; give the seq of a piece of output", o.since)
			}
			return a.jobOutput(c.Context(), domain.JobID(args[0]), o)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVarP(&o.follow, "follow", "f", false, "go on until the job has ended")
	f.BoolVar(&o.stdout, "stdout", false, "only stdout")
	f.BoolVar(&o.stderr, "stderr", false, "only stderr, printed to stdout")
	f.Int64Var(&o.since, "since", 0, "only what comes after the piece with this seq (see -o json)")
	return c
}

func (a *app) jobOutput(ctx context.Context, id domain.JobID, o outputOptions) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	p := a.newPrinter(o)
	whole := o.stdout || o.stderr
	switch {
	case o.follow:
		job := &pursuit{output: s.Output, id: id, after: domain.Seq(o.since), reach: a.reach}
		err = job.follow(ctx, func(e ports.JobEvent) error {
			if e.Chunk == nil {
				return nil
			}
			return p.chunk(*e.Chunk)
		})
	case whole && o.since == 0 && a.global.form == formTable:
		err = p.stream(ctx, s.Output, id)
	default:
		err = p.stored(ctx, s.Output, id, domain.Seq(o.since))
	}
	if flushed := p.lane.Flush(); err == nil {
		err = flushed
	}
	if o.follow && ctx.Err() != nil {
		a.note("the job goes on; `remora jobs cancel %s` ends it", id)
	}
	return err
}

// printer prints pieces of one job's output.
type printer struct {
	app     *app
	only    domain.Stream // 0 = both
	lane    screen.Lane
	attempt int
}

func (a *app) newPrinter(o outputOptions) *printer {
	out, err := a.faces()
	p := &printer{app: a}
	switch {
	case o.stdout:
		p.only = domain.Stdout
	case o.stderr:
		p.only, err = domain.Stderr, out
	}
	p.lane = screen.NewRaw(out, err)
	return p
}

func (p *printer) chunk(c domain.Chunk) error {
	if p.only != 0 && c.Stream != p.only {
		return nil
	}
	if p.attempt != 0 && p.attempt != c.Attempt {
		if err := p.lane.Flush(); err != nil {
			return err
		}
		p.app.note("attempt %d begins", c.Attempt)
	}
	p.attempt = c.Attempt
	shape := chunkOf(c)
	switch p.app.global.form {
	case formJSON:
		e := json.NewEncoder(p.app.Stdout)
		e.SetEscapeHTML(false)
		return e.Encode(shape)
	case formYAML:
		if _, err := io.WriteString(p.app.Stdout, "---\n"); err != nil {
			return err
		}
		return writeYAML(p.app.Stdout, shape)
	}
	return p.lane.Write(c.Stream, c.Data)
}

// chunksAtOnce is how many pieces of output are asked for at once.
const chunksAtOnce = 500

// stored prints what is stored now.
func (p *printer) stored(ctx context.Context, output ports.Output, id domain.JobID, after domain.Seq) error {
	for {
		page, err := output.Chunks(ctx, id, after, chunksAtOnce, 0)
		if err != nil {
			return err
		}
		for _, c := range page.Chunks {
			if err := p.chunk(c); err != nil {
				return err
			}
		}
		if page.Final || len(page.Chunks) == 0 {
			return nil
		}
		after = page.Next
	}
}

// stream prints one stream of the job's last attempt, of whatever size.
func (p *printer) stream(ctx context.Context, output ports.Output, id domain.JobID) error {
	r, _, err := output.Open(ctx, id, p.only, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.Copy(laneWriter{p.lane, p.only}, r)
	if closed := r.Close(); err == nil {
		err = closed
	}
	return err
}

type laneWriter struct {
	lane   screen.Lane
	stream domain.Stream
}

// Write implements io.Writer.
func (w laneWriter) Write(p []byte) (int, error) {
	if err := w.lane.Write(w.stream, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
