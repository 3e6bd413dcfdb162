// Package deploy holds the files of a deployment against the programs: what docker-compose.yml, the Dockerfile and the
// systemd units say must be what the programs understand, and must start them.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/joho/godotenv"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/bootstrap"
)

const root = "../.."

// madeEnv runs what "make env" runs, in an empty directory, and returns the directory and what it wrote.
func madeEnv(t *testing.T) (dir string, values map[string]string) {
	t.Helper()
	dir = t.TempDir()
	script, err := filepath.Abs(filepath.Join(root, ".ci", "env.sh"))
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), script, dir).CombinedOutput()
	require.NoError(t, err, string(out))
	values, err = godotenv.Read(filepath.Join(dir, ".env"))
	require.NoError(t, err)
	return dir, values
}

// project reads docker-compose.yml as docker compose does: by its schema, with every variable filled in.
func project(t *testing.T, env map[string]string) *types.Project {
	t.Helper()
	file := filepath.Join(root, "docker-compose.yml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: root, Environment: env, ConfigFiles: []types.ConfigFile{{Filename: file, Content: text}},
	})
	require.NoError(t, err)
	return p
}

func TestEnv_IsMadeOnceForItsOwnerAlone(t *testing.T) {
	dir, first := madeEnv(t)
	info, err := os.Stat(filepath.Join(dir, ".env"))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	script, err := filepath.Abs(filepath.Join(root, ".ci", "env.sh"))
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), script, dir).CombinedOutput()
	require.Error(t, err, "an .env that is there was replaced")
	require.Contains(t, string(out), "stays as it is")
	again, err := godotenv.Read(filepath.Join(dir, ".env"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	_, other := madeEnv(t)
	for name, value := range first {
		require.GreaterOrEqual(t, len(value), 32, name)
		require.NotEqual(t, value, other[name], "%s is not random", name)
	}
}

// Without .env nothing starts, and the message says what to do.
func TestCompose_NeedsItsSecrets(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	require.NoError(t, err)
	_, env := madeEnv(t)
	needed := regexp.MustCompile(`\$\{(\w+):\?`).FindAllStringSubmatch(string(text), -1)
	var names []string
	for _, m := range needed {
		names = append(names, m[1])
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var made []string
	for name := range env {
		made = append(made, name)
	}
	slices.Sort(made)
	require.Equal(t, made, names, "what make env writes and what docker-compose.yml needs")
	for _, name := range names {
		_, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
			WorkingDir: root, Environment: without(env, name), ConfigFiles: []types.ConfigFile{{Filename: "docker-compose.yml", Content: text}},
		})
		require.ErrorContains(t, err, "make env", name)
	}
}

func without(env map[string]string, name string) map[string]string {
	rest := map[string]string{}
	for k, v := range env {
		if k != name {
			rest[k] = v
		}
	}
	return rest
}

// only are the variables that docker-compose.yml has for itself: no program reads them.
var only = []string{"API_PORT", "WEB_PORT", "REMORA_VERSION"}

func TestCompose_KnowsOnlySettings(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	require.NoError(t, err)
	known := append(bootstrap.Variables(), only...)
	variables := regexp.MustCompile(`\$\{(\w+)`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, variables)
	for _, m := range variables {
		require.Contains(t, known, m[1], "${%s} is no setting", m[1])
	}
	_, env := madeEnv(t)
	for name, s := range project(t, env).Services {
		for setting := range s.Environment {
			switch {
			case name == "postgres": // its image's own
			case name == "web" && setting == "REMORA_URL": // of the command line
			default:
				require.Contains(t, bootstrap.Variables(), setting, "%s: %s is no setting", name, setting)
			}
		}
	}
}

func TestCompose_ServicesAreConfined(t *testing.T) {
	_, env := madeEnv(t)
	p := project(t, env)
	require.ElementsMatch(t, []string{"postgres", "netqueue", "api", "worker", "web"}, p.ServiceNames())
	targets := dockerTargets(t)
	for name, s := range p.Services {
		require.True(t, s.ReadOnly, "%s can write to its root", name)
		require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, s.User, "%s runs as root", name)
		require.Equal(t, []string{"ALL"}, []string(s.CapDrop), name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		require.Empty(t, s.CapAdd, name)
		require.False(t, s.Privileged, name)
		require.NotEmpty(t, s.Restart, name)
		require.Regexp(t, `^[a-z0-9/.-]+:[A-Za-z0-9][\w.-]*$`, s.Image, "%s: its image has no version", name)
		require.NotContains(t, s.Image, ":latest", name)
		if s.Build != nil {
			require.Contains(t, targets, s.Build.Target, "%s: the Dockerfile has no such target", name)
		}
		require.NotNil(t, s.HealthCheck, name)
		require.Equal(t, "CMD", s.HealthCheck.Test[0], "%s: there is no shell for its health check", name)
		for on, d := range s.DependsOn {
			require.Contains(t, p.Services, on, name)
			require.Equal(t, types.ServiceConditionHealthy, d.Condition, "%s does not wait until %s works", name, on)
		}
		for _, port := range s.Ports {
			require.Contains(t, []string{"api", "web"}, name, "%s is published", name)
			require.Equal(t, "127.0.0.1", port.HostIP, "%s is published beyond this machine", name)
		}
		for _, v := range s.Volumes {
			require.Equal(t, types.VolumeTypeVolume, v.Type, "%s", name)
			require.Contains(t, p.Volumes, v.Source)
		}
		require.Empty(t, s.ContainerName, "%s could not be scaled", name)
	}
	require.True(t, p.Networks["inside"].Internal)
	require.NotContains(t, p.Services["postgres"].Networks, "outside")
	require.NotContains(t, p.Services["netqueue"].Networks, "outside")
	require.Empty(t, p.Services["worker"].Ports, "a published port could not be scaled")
}

var from = regexp.MustCompile(`(?m)^FROM (\S+)(?: AS (\S+))?$`)

// dockerTargets returns the stages of the Dockerfile, each with what it is made from.
func dockerTargets(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	targets := map[string]string{}
	for _, m := range from.FindAllStringSubmatch(string(text), -1) {
		targets[m[2]] = m[1]
	}
	return targets
}

func TestDockerfile(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	text := string(raw)
	targets := dockerTargets(t)
	for _, target := range []string{"api", "worker", "queue", "web"} {
		require.Equal(t, "service", targets[target])
	}
	for target, base := range targets {
		if _, stage := targets[base]; stage || base == "scratch" {
			continue
		}
		require.Regexp(t, `^[a-z0-9/.-]+:\d+\.\d+\.\d+`, base, "%s: the version of its base is open", target)
	}
	require.Contains(t, text, "USER 65532:65532")
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))
	require.True(t, strings.HasPrefix(targets["build"], "golang:"+language[1]+"."), "the Dockerfile builds with another Go than go.mod asks for")
	ignored, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	require.NoError(t, err)
	for _, secret := range []string{".env", ".env.*", "data", ".git"} {
		require.Contains(t, strings.Split(string(ignored), "\n"), secret, "it would be sent to the builder")
	}
}
