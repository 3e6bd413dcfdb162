package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
)

// The forms that -o knows.
const (
	formTable = "table"
	formJSON  = "json"
	formYAML  = "yaml"
)

// print writes data to stdout in the form that was asked for; table writes the one for people.
func (a *app) print(data any, table func(w io.Writer)) error {
	switch a.global.form {
	case formJSON:
		return writeJSON(a.Stdout, data)
	case formYAML:
		return writeYAML(a.Stdout, data)
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	table(w)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := a.Stdout.Write(trimRight(b.Bytes()))
	return err
}

// trimRight takes the blanks of a table's last column away.
func trimRight(p []byte) []byte {
	var b []byte
	for line := range bytes.Lines(p) {
		b = append(append(b, bytes.TrimRight(line, " \n")...), '\n')
	}
	return b
}

func writeJSON(w io.Writer, data any) error { return encodeJSON(w, data, "  ") }

// encodeJSON writes data as JSON that is safe for a terminal: control characters that JSON would let through are escaped.
func encodeJSON(w io.Writer, data any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(data); err != nil {
		return err
	}
	_, err := w.Write(escapeControls(b.Bytes()))
	return err
}

// escapeControls escapes DEL, the C1 control characters and what YAML does not take, which are only ever within JSON's strings.
func escapeControls(text []byte) []byte {
	if !bytes.ContainsFunc(text, escaped) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if escaped(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

func escaped(r rune) bool { return r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff }

// writeYAML writes what writeJSON would, with the same names in the same order.
func writeYAML(w io.Writer, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(escapeControls(text), &n); err != nil {
		return err
	}
	plainStyle(&n)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return err
	}
	return e.Close()
}

// plainStyle takes JSON's braces and quotes away; the encoder quotes what needs it.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	if len(n.Content) == 0 && n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
	}
	for _, c := range n.Content {
		plainStyle(c)
	}
}

// row prints a table's row; cells cannot break it.
func row(w io.Writer, cells ...string) {
	for i, c := range cells {
		cells[i] = screen.Line(c)
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// field prints a line of a single thing's table; nothing when there is no value.
func field(w io.Writer, name, value string) {
	if value != "" {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", name, screen.Line(value))
	}
}

// cut shortens a text for a person's screen; a program gets all of it.
func (a *app) cut(text string, runes int) string {
	if r := []rune(text); a.tty.out && len(r) > runes {
		return string(r[:runes-1]) + "…"
	}
	return text
}

// when tells a time: how long ago for people, exactly for programs.
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if !a.tty.out {
		return t.UTC().Format(time.RFC3339)
	}
	switch ago := a.Now().Sub(t); {
	case ago < time.Minute:
		return fmt.Sprintf("%ds ago", max(0, int(ago.Seconds())))
	case ago < time.Hour:
		return fmt.Sprintf("%dm ago", int(ago.Minutes()))
	case ago < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(ago.Hours()))
	default:
		return fmt.Sprintf("%dd ago", int(ago.Hours()/24))
	}
}

// short tells a duration with as many digits as people want.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// exitText tells how a command ended.
func exitText(e *domain.Exit) string {
	switch {
	case e == nil:
		return ""
	case e.Signal != "":
		return "signal " + e.Signal
	}
	return fmt.Sprint(e.Code)
}

// address tells where a server is.
func address(user, hostname string, port int) string {
	if strings.Contains(hostname, ":") {
		hostname = "[" + hostname + "]"
	}
	return fmt.Sprintf("%s@%s:%d", user, hostname, port)
}
