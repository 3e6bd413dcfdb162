package inventory

import (
	"bytes"
	"path"
	"regexp"
	"strings"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	SSHConfig   Format = "ssh-config"
	AnsibleINI  Format = "ansible-ini"
	AnsibleYAML Format = "ansible-yaml"
)

// Formats lists them.
func Formats() []Format { return []Format{SSHConfig, AnsibleINI, AnsibleYAML} }

var (
	sshLine = regexp.MustCompile(`(?i)^(host|match|include|hostname|user|port|identityfile|proxyjump|proxycommand|identitiesonly|forwardagent|` +
		`serveraliveinterval|stricthostkeychecking|addkeystoagent|controlmaster|canonicalizehostname|ignoreunknown)(\s*=\s*|\s+)[^\s=]`)
	yamlKey = regexp.MustCompile(`^("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*:(\s|$)`)
)

// Detect tells the format of a file from the end of its name, else from its first line that is no comment.
func Detect(name string, text []byte) Format {
	switch strings.ToLower(path.Ext(name)) {
	case ".ini":
		return AnsibleINI
	case ".yml", ".yaml", ".json":
		return AnsibleYAML
	}
	for line := range bytes.Lines(text) {
		l := strings.TrimSpace(string(line))
		switch {
		case l == "" || l[0] == '#' || l[0] == ';':
			continue
		case sshLine.MatchString(l):
			return SSHConfig
		case l == "---" || l[0] == '{' || strings.HasPrefix(l, "%YAML") || yamlKey.MatchString(l):
			return AnsibleYAML
		}
		return AnsibleINI
	}
	return AnsibleINI
}
