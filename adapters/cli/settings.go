package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/heysubinoy/remora/domain"
)

// defaultURL is where the API listens when nobody says otherwise.
const defaultURL = "http://127.0.0.1:8080"

// settings say which API to talk to, and as whom.
type settings struct {
	url   string
	token domain.Secret
}

// configFile is $XDG_CONFIG_HOME/remora/config.yaml.
type configFile struct {
	URL       string `yaml:"url,omitempty"`
	Token     string `yaml:"token,omitempty"`
	TokenFile string `yaml:"token_file,omitempty"`
}

// settings takes flags before the environment before the config file before what this machine has. A token of the config
// file goes only to the API that file names, the admin token of this machine only to this machine.
func (a *app) settings() (settings, error) {
	file, path, err := a.readConfig()
	if err != nil {
		return settings{}, err
	}
	given := first(a.global.url, a.Getenv("REMORA_URL"), file.URL, defaultURL)
	address, err := checkURL(given)
	if err != nil {
		return settings{}, err
	}
	token, err := a.token(file, filepath.Dir(path), address)
	return settings{url: address, token: token}, err
}

func (a *app) token(file configFile, dir, address string) (domain.Secret, error) {
	if a.global.token != "" {
		return domain.NewSecret(a.global.token), nil
	}
	if a.global.tokenFile != "" {
		return readToken(a.global.tokenFile)
	}
	if t := strings.TrimSpace(a.Getenv("REMORA_TOKEN")); t != "" {
		return domain.NewSecret(t), nil
	}
	own, err := checkURL(first(file.URL, defaultURL))
	if err == nil && own == address {
		if file.TokenFile != "" {
			if !filepath.IsAbs(file.TokenFile) {
				file.TokenFile = filepath.Join(dir, file.TokenFile)
			}
			return readToken(file.TokenFile)
		}
		if file.Token != "" {
			return domain.NewSecret(file.Token), nil
		}
	}
	if !local(address) {
		return domain.Secret{}, nil
	}
	t, err := readToken(filepath.Join(first(a.Getenv("REMORA_DATA_DIR"), "data"), "admin.token"))
	if errors.Is(err, fs.ErrNotExist) {
		return domain.Secret{}, nil
	}
	return t, err
}

// configPath is where the config file is; empty where there is no place for one.
func (a *app) configPath() string {
	dir := a.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := a.Getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "remora", "config.yaml")
}

func (a *app) readConfig() (configFile, string, error) {
	var c configFile
	path := a.configPath()
	if path == "" {
		return c, "", nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, path, nil
	}
	if err != nil {
		return c, path, usage("the config file cannot be read: %v", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, path, usage("%s: %v; it may have url, token_file and token", path, err)
	}
	if c.Token != "" {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			return c, path, usage("%s holds a token and others may read it; chmod 600 it, or use token_file", path)
		}
	}
	return c, path, nil
}

// readToken returns the one line of a token file.
func readToken(path string) (domain.Secret, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return domain.Secret{}, (&domain.Error{Kind: domain.KindInvalid, Code: "token_file_invalid",
			Message: "the token file cannot be read: " + err.Error()}).Because(err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return domain.Secret{}, usage("the token file %s does not hold one line with a token", path)
	}
	return domain.NewSecret(token), nil
}

// checkURL returns the address of an API in one spelling.
func checkURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", domain.Invalid("url", "%q is not the address of an API; give it as http://host:port or https://host (--url or REMORA_URL)", text)
	}
	if u.User != nil {
		return "", domain.Invalid("url", "the address of the API must not hold a user or password; use --token-file or REMORA_TOKEN")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// local reports whether an address is on this machine.
func local(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
