package jetstream

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/heysubinoy/remora/domain"
)

// URLForms says how a queue's URL may look.
const URLForms = "give nats://[USER:PASSWORD@]HOST:PORT or tls://…, several servers with commas between them, and after a question mark " +
	"what is needed of creds=FILE, tls_ca=FILE, tls_cert=FILE, tls_key=FILE and replicas=1 to 5"

// URL is where a queue is and how to get in.
type URL struct {
	Servers  []domain.Secret // with what they ask for
	Creds    string          // a file with a JWT and its seed
	CA       string          // PEM files
	Cert     string
	Key      string
	Replicas int // of a stream that is made
}

// ParseURL reads a URL. Its errors never hold a password.
func ParseURL(text string) (URL, error) {
	u := URL{Replicas: 1}
	list, query, _ := strings.Cut(text, "?")
	for server := range strings.SplitSeq(list, ",") {
		server = strings.TrimSpace(server)
		parsed, err := url.Parse(server)
		if err != nil || parsed.Host == "" || parsed.Path != "" && parsed.Path != "/" || parsed.Fragment != "" {
			return URL{}, domain.Invalid("url", "%s", URLForms)
		}
		if parsed.Scheme != "nats" && parsed.Scheme != "tls" {
			return URL{}, domain.Invalid("url", "its scheme is %q; %s", parsed.Scheme, URLForms)
		}
		u.Servers = append(u.Servers, domain.NewSecret(server))
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return URL{}, domain.Invalid("url", "%s", URLForms)
	}
	for name, values := range options {
		if err := u.set(name, values[len(values)-1]); err != nil {
			return URL{}, err
		}
	}
	if (u.Cert == "") != (u.Key == "") {
		return URL{}, domain.Invalid("url", "tls_cert and tls_key go together; %s", URLForms)
	}
	return u, nil
}

func (u *URL) set(name, value string) error {
	files := map[string]*string{"creds": &u.Creds, "tls_ca": &u.CA, "tls_cert": &u.Cert, "tls_key": &u.Key}
	if file, ok := files[name]; ok {
		if _, err := os.Stat(value); err != nil {
			return domain.Invalid("url", "its %s names the file %q, which cannot be read", name, value)
		}
		*file = value
		return nil
	}
	if name != "replicas" {
		return domain.Invalid("url", "its option %q is unknown; %s", name, URLForms)
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 5 {
		return domain.Invalid("url", "its replicas are %q; %s", value, URLForms)
	}
	u.Replicas = n
	return nil
}

// String names the servers, without what they ask for.
func (u URL) String() string {
	names := make([]string, len(u.Servers))
	for i, s := range u.Servers {
		if parsed, err := url.Parse(s.Reveal()); err == nil {
			names[i] = fmt.Sprintf("%s://%s", parsed.Scheme, parsed.Host)
		}
	}
	return strings.Join(names, ",")
}

func (u URL) servers() string {
	list := make([]string, len(u.Servers))
	for i, s := range u.Servers {
		list[i] = s.Reveal()
	}
	return strings.Join(list, ",")
}

func (u URL) options() []nats.Option {
	var o []nats.Option
	if u.Creds != "" {
		o = append(o, nats.UserCredentials(u.Creds))
	}
	if u.CA != "" {
		o = append(o, nats.RootCAs(u.CA))
	}
	if u.Cert != "" {
		o = append(o, nats.ClientCert(u.Cert, u.Key))
	}
	return o
}
