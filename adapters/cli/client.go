package cli

import (
	"context"
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// clientFlags are the flags of remora-client.
type clientFlags struct {
	action, command, args, scriptFile, serverID, jobID string
	timeout                                            time.Duration
	priority                                           int
	server                                             ports.NewServer
	auth, password, privateKey, pemFile                string
}

// clientActions says what remora-client can do, and which flags an action cannot do without.
var clientActions = []struct {
	name  string
	needs []string
	run   func(*app, context.Context, Services, *clientFlags) error
}{
	{"submit-job", []string{"command", "server-id"}, (*app).clientSubmitJob},
	{"submit-script", []string{"script-file", "server-id"}, (*app).clientSubmitScript},
	{"get-job", []string{"job-id"}, (*app).clientGetJob},
	{"list-jobs", nil, (*app).clientListJobs},
	{"cancel-job", []string{"job-id"}, (*app).clientCancelJob},
	{"create-server", []string{"server-name", "hostname", "user"}, (*app).clientCreateServer},
	{"list-servers", nil, (*app).clientListServers},
}

const clientProgram = "remora-client"

// ClientMain runs the flag-style remora-client with its arguments and returns its exit code. It prints JSON on stdout.
// Of cfg it needs the streams, Getenv and Connect.
func ClientMain(ctx context.Context, cfg Config, args []string) int {
	a := newApp(clientProgram, cfg)
	a.global.form = formJSON
	return a.guard(ctx, func(ctx context.Context) error { return a.client(ctx, args) })
}

func (a *app) client(ctx context.Context, args []string) error {
	var f clientFlags
	set := f.set(a)
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		set.SetOutput(a.Stderr)
		a.say("Usage: remora-client -action ACTION [flags]\n\nExample: remora-client -action submit-job -server-id web -command uptime\n")
		set.PrintDefaults()
		return nil
	} else if err != nil {
		return usage("%v; see remora-client -help", err)
	}
	if set.NArg() > 0 {
		return usage("%q is not a flag; see remora-client -help", set.Arg(0))
	}
	names := make([]string, len(clientActions))
	for i, action := range clientActions {
		names[i] = action.name
	}
	i := slices.Index(names, f.action)
	switch {
	case f.action == "":
		return usage("-action is missing; use one of %s", strings.Join(names, ", "))
	case i < 0:
		if near := nearest(f.action, names); near != "" {
			return usage("-action %q is unknown; did you mean %q?", f.action, near)
		}
		return usage("-action %q is unknown; use one of %s", f.action, strings.Join(names, ", "))
	}
	for _, need := range clientActions[i].needs {
		if set.Lookup(need).Value.String() == "" {
			return usage("-%s is missing; -action %s needs it", need, f.action)
		}
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	return clientActions[i].run(a, ctx, s, &f)
}

func (f *clientFlags) set(a *app) *flag.FlagSet {
	set := flag.NewFlagSet("remora-client", flag.ContinueOnError)
	set.SetOutput(io.Discard) // the caller tells what is wrong
	set.Usage = func() {}
	set.StringVar(&f.action, "action", "", "submit-job, submit-script, get-job, list-jobs, cancel-job, create-server or list-servers")
	set.StringVar(&a.global.url, "url", "", "address of the API (default REMORA_URL, the config file, "+defaultURL+")")
	set.StringVar(&a.global.token, "token", "", "token to sign in with; others on this machine can see it, REMORA_TOKEN is safer")
	set.StringVar(&f.command, "command", "", "shell line to run")
	set.StringVar(&f.args, "args", "", "arguments in shell syntax, appended as written")
	set.StringVar(&f.scriptFile, "script-file", "", "path of the script, - for stdin")
	set.StringVar(&f.serverID, "server-id", "", "server to run on, by id or name; of list-jobs: only its jobs")
	set.Var((*timeoutFlag)(&f.timeout), "timeout", "how long the command may run, in seconds (default the API's, 300)")
	set.IntVar(&f.priority, "priority", 0, "1 to 10, 10 is the most urgent (default 5)")
	set.StringVar(&f.jobID, "job-id", "", "job to get or cancel")
	set.StringVar(&f.server.Name, "server-name", "", "name of the new server")
	set.StringVar(&f.server.Hostname, "hostname", "", "hostname or IP address of the new server")
	set.IntVar(&f.server.Port, "port", 22, "SSH port of the new server")
	set.StringVar(&f.server.User, "user", "", "login name on the new server")
	set.StringVar(&f.auth, "auth-type", "", "password or key (default: what is given)")
	set.StringVar(&f.password, "password", "", "password of the new server, - for stdin; others on this machine can see a flag")
	set.StringVar(&f.privateKey, "private-key", "", "path of the private key for the new server")
	set.StringVar(&f.pemFile, "pem-file", "", "the same")
	set.StringVar(&f.server.HostKey, "host-key", "", "SHA256:… fingerprint of the new server's host key; without it the first key seen is pinned")
	return set
}

func (a *app) clientSubmitJob(ctx context.Context, s Services, f *clientFlags) error {
	return a.clientSubmit(ctx, s, f, ports.Submission{Command: f.command})
}

func (a *app) clientSubmitScript(ctx context.Context, s Services, f *clientFlags) error {
	text, err := a.readScript(ctx, f.scriptFile)
	if err != nil {
		return err
	}
	return a.clientSubmit(ctx, s, f, ports.Submission{Script: text})
}

func (a *app) clientSubmit(ctx context.Context, s Services, f *clientFlags, what ports.Submission) error {
	server, err := findServer(ctx, s.Servers, f.serverID)
	if err != nil {
		return err
	}
	what.ServerID, what.Args, what.Timeout, what.Priority = server.ID, f.args, f.timeout, domain.Priority(f.priority)
	what.IdempotencyKey = onceKey()
	d, err := s.Jobs.Submit(ctx, what)
	if err != nil {
		return err
	}
	return writeJSON(a.Stdout, wholeJob(d))
}

func (a *app) clientGetJob(ctx context.Context, s Services, f *clientFlags) error {
	d, err := s.Jobs.Get(ctx, domain.JobID(f.jobID))
	if err != nil {
		return err
	}
	return writeJSON(a.Stdout, wholeJob(d))
}

func (a *app) clientListJobs(ctx context.Context, s Services, f *clientFlags) error {
	q := ports.JobQuery{Limit: maxPage}
	if f.serverID != "" {
		server, err := findServer(ctx, s.Servers, f.serverID)
		if err != nil {
			return err
		}
		q.ServerID = server.ID
	}
	page, err := s.Jobs.List(ctx, q)
	if err != nil {
		return err
	}
	return writeJSON(a.Stdout, jobsInList(page, q.Limit))
}

type canceledShape struct {
	Message string   `json:"message"`
	Job     jobShape `json:"job"`
}

func (a *app) clientCancelJob(ctx context.Context, s Services, f *clientFlags) error {
	d, err := s.Jobs.Cancel(ctx, domain.JobID(f.jobID))
	if err != nil {
		return err
	}
	message := "the job's processes are being ended"
	if d.Job.Status.Final() {
		message = jobEnding(&d.Job)
	}
	return writeJSON(a.Stdout, canceledShape{message, wholeJob(d)})
}

func (a *app) clientCreateServer(ctx context.Context, s Services, f *clientFlags) error {
	n := f.server
	n.HostKeyPolicy = domain.HostKeyAcceptNew
	if n.HostKey != "" {
		n.HostKeyPolicy = domain.HostKeyConfirm
	}
	var err error
	if n.Auth, n.Credential, err = f.credential(ctx, a); err != nil {
		return err
	}
	server, err := s.Servers.Create(ctx, n)
	if err != nil {
		return err
	}
	return writeJSON(a.Stdout, serverOf(a.pinFirst(ctx, s, server)))
}

// credential returns what the flags give to log in with; it must be of the kind that -auth-type says, if that is given.
func (f *clientFlags) credential(ctx context.Context, a *app) (auth domain.AuthType, c domain.Credential, err error) {
	path := first(f.privateKey, f.pemFile)
	switch {
	case f.privateKey != "" && f.pemFile != "":
		return "", c, usage("-private-key and -pem-file cannot be used together")
	case path != "" && f.password != "":
		return "", c, usage("-password and a private key cannot be used together")
	case path != "":
		auth = domain.AuthKey
		c.PrivateKey, err = readKey(path)
	case f.password == "-":
		auth = domain.AuthPassword
		c.Password, err = a.secretFromStdin(ctx, "password", "-password -")
	case f.password != "":
		auth, c.Password = domain.AuthPassword, domain.NewSecret(f.password)
	default:
		return "", c, usage("-password or -private-key is missing; -action create-server needs one of them")
	}
	if err == nil && f.auth != "" && f.auth != string(auth) {
		err = usage("-auth-type %q does not fit; with what is given it is %s", f.auth, auth)
	}
	return auth, c, err
}

func (a *app) clientListServers(ctx context.Context, s Services, _ *clientFlags) error {
	servers, err := listServers(ctx, s.Servers, ports.ServerQuery{})
	if err != nil {
		return err
	}
	return writeJSON(a.Stdout, serversOf(servers))
}
