package netqueue_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

// The environment that turns the test binary into a broker.
const (
	crashDir  = "NETQUEUE_TEST_DIR"
	crashAddr = "NETQUEUE_TEST_ADDR"
)

func serveUntilKilled(dir, addr string) {
	s, err := netqueue.Open(netqueue.ServerConfig{Addr: addr, Dir: dir, Token: domain.NewSecret(token), SegmentBytes: 64 << 10})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("listening", s.Addr())
	if err := s.Run(context.Background()); err != nil {
		os.Exit(1)
	}
}

// brokerProcess starts a broker as a process of its own and returns it with its address.
func brokerProcess(t *testing.T, dir, addr string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashAddr+"="+addr)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	word, at, _ := strings.Cut(strings.TrimSpace(line), " ")
	require.Equal(t, "listening", word, "the broker says: %s", line)
	return cmd, at
}

// ledger is what the clients of a broker know for certain.
type ledger struct {
	mu    sync.Mutex
	put   map[string]bool // acknowledged puts
	acked map[string]bool // acknowledged acks
	tried map[string]bool // acks whose fate is unknown
}

func (l *ledger) note(m map[string]bool, ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		m[id] = true
	}
}

// load puts and acknowledges until the broker is gone.
func (l *ledger) load(ctx context.Context, round int, addr string) {
	var all sync.WaitGroup
	for worker := range 6 {
		all.Go(func() {
			c := netqueue.NewClient(netqueue.ClientConfig{Addr: addr, Queue: "jobs", Token: domain.NewSecret(token)})
			defer c.Close()
			for i := 0; ; i++ {
				some := tickets(fmt.Sprintf("r%d-w%d-%d", round, worker, i), 1+i%7)
				if c.Put(ctx, some) != nil {
					return
				}
				for _, ticket := range some {
					l.note(l.put, ticket.ID)
				}
				if i%2 == 0 {
					continue
				}
				d, err := c.Reserve(ctx, 5, time.Minute)
				if err != nil {
					return
				}
				var ids []string
				var receipts []uint64
				for _, x := range d {
					ids, receipts = append(ids, x.Ticket.ID), append(receipts, x.Receipt)
				}
				l.note(l.tried, ids...)
				if c.Ack(ctx, receipts...) != nil {
					return
				}
				l.note(l.acked, ids...)
			}
		})
	}
	all.Wait()
}

// check drains the queue: everything acknowledged is there, nothing acknowledged away is.
func (l *ledger) check(t *testing.T, addr string) {
	t.Helper()
	c := netqueue.NewClient(netqueue.ClientConfig{Addr: addr, Queue: "jobs", Token: domain.NewSecret(token)})
	defer c.Close()
	stats, err := c.Stats(within(t, 20*time.Second))
	require.NoError(t, err)
	found := map[string]bool{}
	for len(found) < stats.Waiting {
		d, err := c.Reserve(within(t, 20*time.Second), 1000, time.Minute)
		require.NoError(t, err)
		for _, x := range d {
			require.False(t, found[x.Ticket.ID], "ticket %s is there twice", x.Ticket.ID)
			require.False(t, l.acked[x.Ticket.ID], "ticket %s was acknowledged and has come back", x.Ticket.ID)
			found[x.Ticket.ID] = true
		}
	}
	for id := range l.put {
		require.True(t, found[id] || l.tried[id], "ticket %s was put, and is gone", id)
	}
}

func TestServer_KilledWhilePutting(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := filepath.Join(t.TempDir(), "queue")
	l := &ledger{put: map[string]bool{}, acked: map[string]bool{}, tried: map[string]bool{}}
	addr := "127.0.0.1:0"
	for round := range 5 {
		var cmd *exec.Cmd
		cmd, addr = brokerProcess(t, dir, addr)
		ctx, cancel := context.WithCancel(t.Context())
		var loading sync.WaitGroup
		loading.Go(func() { l.load(ctx, round, addr) })
		kill := time.NewTimer(time.Duration(100+random.IntN(300)) * time.Millisecond) // any moment will do
		<-kill.C
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		cancel()
		loading.Wait()
	}
	require.NotEmpty(t, l.put)
	require.NotEmpty(t, l.acked)
	t.Logf("%d puts and %d acks were acknowledged", len(l.put), len(l.acked))
	_, addr = brokerProcess(t, dir, addr)
	l.check(t, addr)
}
