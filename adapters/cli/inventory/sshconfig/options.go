package sshconfig

import (
	"maps"
	"slices"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// differ are options that change how a server is reached or what a session there is like, with the reason why they are not
// taken.
var differ = map[string]string{
	"addressfamily":            "Remora takes the address family that answers",
	"bindaddress":              "a worker dials from the address that its machine chooses",
	"bindinterface":            "a worker dials from the interface that its machine chooses",
	"canonicalizehostname":     "names are not looked up during the import; give the full name as HostName",
	"canonicaldomains":         "names are not looked up during the import; give the full name as HostName",
	"certificatefile":          "Remora logs in with a password or a private key, without a certificate",
	"ciphers":                  "Remora has a list of its own",
	"dynamicforward":           "Remora forwards no ports",
	"forwardagent":             "Remora uses and forwards no agent",
	"forwardx11":               "Remora forwards no display",
	"gssapiauthentication":     "Remora logs in with a password or a private key",
	"hostbasedauthentication":  "Remora logs in with a password or a private key",
	"hostkeyalgorithms":        "the pinned host key says which is asked for",
	"hostkeyalias":             "host keys are pinned for each server",
	"identityagent":            "Remora uses no agent; give the key itself",
	"kexalgorithms":            "Remora has a list of its own",
	"localforward":             "Remora forwards no ports",
	"macs":                     "Remora has a list of its own",
	"pkcs11provider":           "Remora logs in with a key that it can read",
	"proxyusefdpass":           "Remora runs no ProxyCommand",
	"pubkeyacceptedalgorithms": "Remora has a list of its own",
	"remotecommand":            "a job brings its own command",
	"remoteforward":            "Remora forwards no ports",
	"requesttty":               "jobs run without a terminal",
	"securitykeyprovider":      "Remora logs in with a key that it can read",
	"sendenv":                  "a job's environment is its own",
	"setenv":                   "a job's environment is its own",
	"usekeychain":              "Remora uses no keychain; give the key itself",
}

// quiet are the other options that ssh knows: they make no difference to a job, or Remora has a rule of its own.
var quiet = strings.Fields(`addkeystoagent batchmode canonicalizefallbacklocal canonicalizemaxdots canonicalizepermittedcnames
casignaturealgorithms challengeresponseauthentication channeltimeout checkhostip clearallforwardings compression
compressionlevel connectionattempts connecttimeout controlmaster controlpath controlpersist enableescapecommandline
enablesshkeysign escapechar exitonforwardfailure fallbacktorsh fingerprinthash forkafterauthentication forwardx11timeout
forwardx11trusted gatewayports globalknownhostsfile gssapidelegatecredentials hashknownhosts hostbasedacceptedalgorithms
hostbasedkeytypes identitiesonly identityfile2 ignoreunknown ipqos kbdinteractiveauthentication kbdinteractivedevices
keepalive knownhostscommand localcommand loglevel logverbose nohostauthenticationforlocalhost numberofpasswordprompts
obscurekeystroketiming passwordauthentication permitlocalcommand permitremoteopen preferredauthentications protocol
pubkeyacceptedkeytypes pubkeyauthentication rekeylimit requiredrsasize rhostsauthentication rhostsrsaauthentication
revokedhostkeys rsaauthentication serveralivecountmax serveraliveinterval sessiontype skeyauthentication smartcarddevice
stdinnull streamlocalbindmask streamlocalbindunlink stricthostkeychecking syslogfacility tag tcpkeepalive tisauthentication
tunnel tunneldevice updatehostkeys useprivilegedport user userknownhostsfile usersh verifyhostkeydns versionaddendum
visualhostkey warnweakcrypto xauthlocation`)

// no are the values with which an option of differ asks for nothing.
var no = []string{"no", "none", "false", "any", "auto"}

// omitOptions says which options in force for a server were not taken.
func (c *Config) omitOptions(inv *inventory.Inventory, name string, s Settings) {
	for _, keyword := range slices.Sorted(maps.Keys(s.other)) {
		o := s.other[keyword]
		switch why := differ[keyword]; {
		case why != "" && !slices.Contains(no, strings.ToLower(o.value)):
			inv.Omit(o.at, name, o.keyword, why)
		case why == "" && !slices.Contains(quiet, keyword):
			inv.Omit(o.at, name, o.keyword, "ssh knows no such option; is it a slip of the pen?")
		}
	}
}
