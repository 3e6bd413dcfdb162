package arch

// rule says what the packages under a folder may import besides the standard library. Entries are folders of this module;
// libraries of others are for their owners, below.
type rule struct {
	dir       string
	allow     []string
	forbidden []string // of the standard library; "net" forbids net/… too
	why       string
}

var rules = []rule{
	{
		"domain",
		[]string{"domain"},
		[]string{"os", "io/fs", "net", "database/sql", "log", "encoding/json", "encoding/xml", "syscall", "context"},
		"the domain is pure: no I/O, no clock, no codec, no logging; it can be tested with nothing",
	},
	{
		"ports",
		[]string{"domain", "ports"},
		[]string{"os", "net", "database/sql", "log", "encoding/json", "syscall"},
		"a port speaks only domain",
	},
	{
		"application",
		[]string{"domain", "ports", "application"},
		[]string{"os", "net", "database/sql", "log", "syscall"},
		"use cases see ports, never adapters nor the machine; they log through log/slog",
	},
	{"adapters/cli", []string{"domain", "ports", "adapters/cli"}, nil, "adapters never meet"},
	{"adapters/front", []string{"domain", "ports", "adapters/front"}, []string{"database/sql"}, "adapters never meet"},
	{"adapters/httpapi", []string{"domain", "ports", "adapters/httpapi"}, []string{"database/sql"}, "adapters never meet"},
	{"adapters/jetstream", []string{"domain", "ports", "adapters/jetstream"}, []string{"database/sql", "net/http"}, "adapters never meet"},
	{"adapters/memory", []string{"domain", "ports", "adapters/memory"}, []string{"os", "net", "database/sql"}, "adapters never meet, and this one has no outside"},
	{"adapters/metrics", []string{"domain", "ports", "adapters/metrics"}, []string{"database/sql"}, "adapters never meet"},
	{"adapters/netqueue", []string{"domain", "ports", "adapters/netqueue"}, []string{"database/sql", "net/http"}, "adapters never meet"},
	{"adapters/sqlstore", []string{"domain", "ports", "adapters/sqlstore"}, []string{"net/http"}, "adapters never meet"},
	{"adapters/sshdemo", []string{"domain", "ports", "adapters/sshdemo"}, []string{"database/sql", "net/http"}, "adapters never meet"},
	{"adapters/sshexec", []string{"domain", "ports", "adapters/sshexec"}, []string{"database/sql", "net/http"}, "adapters never meet"},
	{"adapters/system", []string{"domain", "ports", "adapters/system"}, []string{"net", "database/sql"}, "adapters never meet"},
	{"adapters/vault", []string{"domain", "ports", "adapters/vault"}, []string{"net", "database/sql"}, "adapters never meet"},
	{
		"bootstrap",
		[]string{"domain", "ports", "application", "adapters", "bootstrap", "web"},
		nil,
		"the matchmaker knows everything but tests and mains",
	},
	{"cmd", []string{"bootstrap"}, nil, "a main only starts"},
	{"test/contract", []string{"domain", "ports", "test"}, nil, "a contract knows no adapter"},
}

// slog is allowed where a rule forbids log.
const slog = "log/slog"

// owner says which folders may use a library: one technology, one adapter. Tests may use what they test with.
type owner struct {
	library string
	folders []string
	why     string
}

var owners = []owner{
	{"github.com/labstack/echo", []string{"adapters/httpapi"}, "HTTP is spoken in one place"},
	{"github.com/jmoiron/sqlx", []string{"adapters/sqlstore"}, "SQL is spoken in one place"},
	{"github.com/lib/pq", []string{"adapters/sqlstore"}, "SQL is spoken in one place"},
	{"github.com/mattn/go-sqlite3", []string{"adapters/sqlstore"}, "SQL is spoken in one place"},
	{"github.com/pressly/goose", []string{"adapters/sqlstore"}, "migrations belong to the storage"},
	{"github.com/klauspost/compress", []string{"adapters/sqlstore"}, "how output is packed is the storage's affair"},
	{"golang.org/x/crypto/ssh", []string{"adapters/sshexec", "adapters/sshdemo"}, "SSH is spoken in one place, and answered by the demo servers"},
	{"github.com/skeema/knownhosts", []string{"adapters/sshexec"}, "host keys are read where SSH is spoken"},
	{"github.com/rs/zerolog", []string{"bootstrap", "adapters/httpapi"}, "everybody else logs through log/slog"},
	{"github.com/spf13/cobra", []string{"adapters/cli"}, "the command line is parsed in one place"},
	{"github.com/spf13/pflag", []string{"adapters/cli"}, "the command line is parsed in one place"},
	{"github.com/aymanbagabas/go-udiff", []string{"adapters/cli"}, "differences are shown by the command line"},
	{"golang.org/x/term", []string{"adapters/cli"}, "only the command line has a terminal"},
	{"github.com/mattn/go-isatty", []string{"adapters/cli", "bootstrap"}, "only the command line and the log ask for a terminal"},
	{"gopkg.in/yaml.v3", []string{"adapters/cli", "adapters/httpapi/openapi"}, "the command line reads and prints YAML, and the OpenAPI document is written in it"},
	{"github.com/joho/godotenv", []string{"bootstrap"}, "settings are read in one place"},
	{"github.com/caarlos0/env", []string{"bootstrap"}, "settings are read in one place"},
	{"github.com/nats-io/nats-server", nil, "a server to test against"},
	{"github.com/nats-io", []string{"adapters/jetstream"}, "NATS is spoken in one place"},
	{"github.com/prometheus", []string{"adapters/metrics"}, "Prometheus is spoken in one place"},
	{"github.com/google/uuid", []string{"adapters/system", "adapters/netqueue"}, "ids come from ports.Entropy; a broker names its own store"},
	{"golang.org/x/sync", []string{"adapters", "bootstrap"}, "the core is plain Go"},
	{"golang.org/x/sys", []string{"adapters", "bootstrap"}, "the core is plain Go"},
	{"golang.org/x/time", []string{"adapters", "bootstrap"}, "the core is plain Go"},
	{"github.com/stretchr/testify", nil, "a test library"},
	{"pgregory.net/rapid", nil, "a test library"},
	{"go.uber.org/goleak", nil, "a test library"},
}
