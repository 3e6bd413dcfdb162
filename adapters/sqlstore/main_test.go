package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
	"github.com/heysubinoy/remora/test/harness/pgtest"
)

// A second run of this test binary with these variables is another process on the database.
const (
	childURL    = "REMORA_SQLSTORE_CHILD_URL"
	childServer = "REMORA_SQLSTORE_CHILD_SERVER"
	childJobs   = 50
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		if err := child(context.Background(), url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// child starts as a program does, and stores jobs on a server that whoever comes first adds.
func child(ctx context.Context, url string) error {
	s, err := sqlstore.Open(ctx, url)
	if err != nil {
		return err
	}
	defer s.Close() // the process ends here
	if err := s.Migrate(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	server := domain.Server{ID: domain.ServerID(os.Getenv(childServer)), Name: "shared", MaxSessions: 1, Port: 22}
	if err := s.Servers().Add(ctx, &server, nil); err != nil && domain.KindOf(err) != domain.KindInternal && domain.KindOf(err) != domain.KindConflict {
		return fmt.Errorf("adding the server: %w", err)
	}
	command, err := domain.ShellLine("true", "")
	if err != nil {
		return err
	}
	for i := range childJobs {
		id := domain.JobID(fmt.Sprintf("%d-%d", os.Getpid(), i))
		j, err := domain.NewJob(id, server.ID, command, domain.DefaultPriority, domain.MinTimeout, domain.DefaultRetry(), fixture.Now())
		if err != nil {
			return err
		}
		if _, err := s.Jobs().Add(ctx, ports.Idempotency{}, j); err != nil {
			return fmt.Errorf("adding job %d: %w", i, err)
		}
	}
	return nil
}

func TestProcesses_StartAndWriteAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		const processes = 4
		server := fixture.ID[domain.ServerID](t)
		var children []*exec.Cmd
		for range processes {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), childURL+"="+url, childServer+"="+string(server))
			c.Stderr = os.Stderr
			require.NoError(t, c.Start())
			children = append(children, c)
		}
		for _, c := range children {
			require.NoError(t, c.Wait())
		}
		s := open(t, url)
		require.Equal(t, int64(processes*childJobs), s.Number(t, "SELECT COUNT(*) FROM jobs WHERE server_id = ?", string(server)))
		require.Equal(t, int64(1), s.Number(t, "SELECT COUNT(*) FROM goose_db_version WHERE version_id = 1"))
	})
}

func TestMigrate_RacesInOneProcess(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		errs := make(chan error)
		const racers = 6
		for range racers {
			s, err := sqlstore.Open(t.Context(), url)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			go func() { errs <- s.Migrate(t.Context()) }()
		}
		for range racers {
			require.NoError(t, <-errs)
		}
	})
}

func TestMigrate_RefusesANewerDatabase(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		s.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, ?)", 900, true)
		again, err := sqlstore.Open(t.Context(), url)
		require.NoError(t, err)
		defer func() { require.NoError(t, again.Close()) }()
		err = again.Migrate(t.Context())
		require.Equal(t, domain.KindConflict, domain.KindOf(err))
		require.ErrorContains(t, err, "schema version 900")
		require.ErrorContains(t, err, again.Name())
		require.Equal(t, int64(900), s.Number(t, "SELECT MAX(version_id) FROM goose_db_version"))
	})
}

func TestMigrate_WaitsForAnotherNoLongerThanItsContext(t *testing.T) {
	url := pgtest.URL(t)
	s := open(t, url)
	release := s.HoldMigrationLock(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, context.DeadlineExceeded)
	defer cancel()
	require.Equal(t, domain.KindTimeout, domain.KindOf(s.Migrate(ctx)))
	release()
	require.NoError(t, s.Migrate(t.Context()))
}
