package sqlstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
	"github.com/heysubinoy/remora/test/harness/pgtest"
)

const (
	patience = 100 * time.Millisecond // of a caller who does not wait
	quickly  = 4 * time.Second        // within which a database that is away is said to be
)

// everyCall makes one call of every port.
func everyCall(s *sqlstore.Store, j *domain.Job) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Ping": s.Ping,
		"Jobs.Add": func(ctx context.Context) error {
			fresh := *j
			fresh.ID, fresh.Attempt = domain.JobID(fmt.Sprintf("%s-%d", j.ID, time.Now().UnixNano())), 0
			_, err := s.Jobs().Add(ctx, ports.Idempotency{}, &fresh)
			return err
		},
		"Jobs.Get":  func(ctx context.Context) error { _, err := s.Jobs().Get(ctx, j.ID); return err },
		"Jobs.Save": func(ctx context.Context) error { return s.Jobs().Save(ctx, j) },
		"Jobs.List": func(ctx context.Context) error {
			_, err := s.Jobs().List(ctx, ports.JobQuery{Limit: 10, Search: "x"})
			return err
		},
		"Jobs.Attempts": func(ctx context.Context) error { _, err := s.Jobs().Attempts(ctx, j.ID); return err },
		"Backlog.Take":  func(ctx context.Context) error { _, _, err := s.Backlog().Take(ctx, 10, fixture.Now()); return err },
		"Backlog.Wake":  func(ctx context.Context) error { _, err := s.Backlog().Wake(ctx, 10, fixture.Now()); return err },
		"Backlog.Expire": func(ctx context.Context) error {
			_, err := s.Backlog().Expire(ctx, 10, fixture.Now())
			return err
		},
		"Backlog.Adopt": func(ctx context.Context) error {
			_, err := s.Backlog().Adopt(ctx, "q", "store", fixture.Now())
			return err
		},
		"Workers.List": func(ctx context.Context) error { _, err := s.Workers().List(ctx); return err },
		"Workers.Retire": func(ctx context.Context) error {
			return s.Workers().Retire(ctx, "no such worker")
		},
		"Output.Chunks": func(ctx context.Context) error { _, err := s.Output().Chunks(ctx, j.ID, 0, 10); return err },
		"Servers.Get":   func(ctx context.Context) error { _, _, err := s.Servers().Get(ctx, j.ServerID); return err },
		"Servers.List":  func(ctx context.Context) error { _, err := s.Servers().List(ctx, ports.ServerQuery{}); return err },
		"Tokens.List":   func(ctx context.Context) error { _, err := s.Tokens().List(ctx); return err },
		"Tokens.Touch": func(ctx context.Context) error {
			return s.Tokens().Touch(ctx, "no such token", fixture.Now())
		},
	}
}

func TestPostgres_GoesAndComesBack(t *testing.T) {
	cluster := pgtest.Start(t)
	s := open(t, cluster.URL(t))
	server := fixture.Server(t)
	require.NoError(t, s.Servers().Add(t.Context(), server, nil))
	j := fixture.Job(t, fixture.Running, fixture.On(server.ID))
	_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, j)
	require.NoError(t, err)

	for round := range 3 {
		acknowledged := addUntilAway(t, s, cluster, server.ID)
		for name, call := range everyCall(s, j) {
			began := time.Now()
			require.ErrorIs(t, call(t.Context()), domain.ErrStorageUnavailable, "round %d: %s", round, name)
			require.Less(t, time.Since(began), quickly, "round %d: %s took its time to say so", round, name)
		}
		cluster.Restart(t)
		for name, call := range everyCall(s, j) {
			require.NoError(t, call(t.Context()), "round %d: %s, with the database back", round, name)
		}
		for _, id := range acknowledged {
			_, err := s.Jobs().Get(t.Context(), id)
			require.NoError(t, err, "round %d: an acknowledged job is gone", round)
		}
	}
}

// addUntilAway adds jobs from many goroutines, so that there are many connections, kills PostgreSQL among them and
// returns what was acknowledged.
func addUntilAway(t *testing.T, s *sqlstore.Store, cluster *pgtest.Cluster, server domain.ServerID) []domain.JobID {
	t.Helper()
	const adders = 12
	var (
		mu           sync.Mutex
		acknowledged []domain.JobID
		all          sync.WaitGroup
		errs         = make([]error, adders)
		enough       = make(chan struct{})
		tell         sync.Once
	)
	for i := range adders {
		all.Go(func() {
			for {
				j := fixture.Job(t, fixture.Pending, fixture.On(server))
				if _, errs[i] = s.Jobs().Add(t.Context(), ports.Idempotency{}, j); errs[i] != nil {
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, j.ID)
				if len(acknowledged) >= 10*adders {
					tell.Do(func() { close(enough) })
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	cluster.Kill(t)
	all.Wait()
	for _, err := range errs {
		require.ErrorIs(t, err, domain.ErrStorageUnavailable)
	}
	return acknowledged
}

func TestOpen_SaysWhichDatabaseIsAwayAndWhatToDo(t *testing.T) {
	cluster := pgtest.Start(t)
	url := cluster.URL(t)
	fails := func(url string, says ...string) {
		t.Helper()
		began := time.Now()
		_, err := sqlstore.Open(t.Context(), url)
		require.ErrorIs(t, err, domain.ErrStorageUnavailable)
		require.Less(t, time.Since(began), quickly)
		for _, text := range append(says, "DATABASE_URL") {
			require.ErrorContains(t, err, text)
		}
		require.NotContains(t, err.Error(), "hunter2")
	}
	thaw := cluster.Freeze(t)
	fails(url+"&connect_timeout=1&password=hunter2", "cannot be reached")
	thaw()
	fails("postgres://remora:hunter2@/no_such_database?sslmode=disable&host="+cluster.Dir(), "no_such_database", "createdb")
	fails("postgres://nobody:hunter2@/postgres?sslmode=disable&host="+cluster.Dir(), "refuses the user")
	cluster.Kill(t)
	fails(url+"&password=hunter2", "cannot be reached", "start it")
	fails("postgres://remora:hunter2@127.0.0.1:1/remora", "127.0.0.1:1/remora")
}

func TestPostgres_CallerWhoDoesNotWaitIsTold(t *testing.T) {
	cluster := pgtest.Start(t)
	s := open(t, cluster.URL(t)+"&connect_timeout=30")
	s.DropConnections()
	defer cluster.Freeze(t)()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	require.Equal(t, domain.KindTimeout, domain.KindOf(s.Ping(ctx)))
	require.Less(t, time.Since(began), quickly)
}

func TestPostgres_DeadlockIsNobodysError(t *testing.T) {
	s := open(t, pgtest.URL(t))
	for _, name := range []string{"a", "b"} {
		require.NoError(t, s.Servers().Add(t.Context(), fixture.Server(t, fixture.Named(name)), nil))
	}
	var (
		both  sync.WaitGroup // have their first lock
		all   sync.WaitGroup
		began [2]int
		errs  [2]error
	)
	both.Add(2)
	meet := func() { both.Done(); both.Wait() }
	for i, names := range [][]string{{"a", "b"}, {"b", "a"}} {
		all.Go(func() { began[i], errs[i] = s.LockServers(t.Context(), meet, names...) })
	}
	all.Wait()
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	// Three beginnings, or more: the one that begins anew may take its first row back before the other has woken up.
	require.GreaterOrEqual(t, began[0]+began[1], 3, "one of the two had to begin anew")
}

// Both come to many servers, each in an order of its own: if one had to wait for the other they would wait for each other.
func TestPostgres_ChecksDoNotWaitForThoseWhoSubmit(t *testing.T) {
	s := open(t, pgtest.URL(t))
	server := fixture.Server(t)
	require.NoError(t, s.Servers().Add(t.Context(), server, nil))
	require.NoError(t, s.ReferToServer(t.Context(), string(server.ID), func() {
		ctx, cancel := context.WithTimeout(t.Context(), quickly)
		defer cancel()
		require.NoError(t, s.Checks().Keep(ctx, ports.ServerCheck{Server: *server, Check: domain.Check{Connected: true, At: fixture.Now()}}))
	}))
	kept, _, err := s.Servers().Get(t.Context(), server.ID)
	require.NoError(t, err)
	require.NotNil(t, kept.LastCheck)
}
