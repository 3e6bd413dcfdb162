package netqueue_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

// benchTicket is a put of 256 bytes.
func benchTicket(worker string, i int64) domain.Ticket {
	id := fmt.Sprintf("%s-%d-", worker, i)
	return domain.Ticket{ID: id + strings.Repeat("x", 120-len(id)), Job: domain.JobID(strings.Repeat("j", 120)), Priority: 5}
}

// logged is how many bytes of the log one such put takes: record, queue, count, sequence, time and ticket.
const logged = 28 + 4 + (2 + 4) + 2 + 8 + 8 + (1 + 2 + 120 + 2 + 120)

// floor is the least that any queue has to do that answers after fsync: the same bytes from the same number of writers,
// who each wait until theirs are on disk, through one file. It returns writes per second.
func floor(b *testing.B, dir string, writers int, n int64) float64 {
	b.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "floor"), os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_TRUNC, 0o600)
	require.NoError(b, err)
	defer func() { _ = f.Close() }()
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	var buf, spare []byte
	var appended, synced int64
	writing := false
	record := make([]byte, logged)
	var left atomic.Int64
	left.Store(n)
	var all sync.WaitGroup
	began := time.Now()
	for range writers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				mu.Lock()
				buf = append(buf, record...)
				appended++
				mine := appended
				for synced < mine {
					if writing {
						cond.Wait()
						continue
					}
					writing = true
					out, upTo := buf, appended
					buf, spare = spare[:0], nil
					mu.Unlock()
					if _, err := f.Write(out); err != nil {
						b.Error(err)
					}
					if err := syscall.Fdatasync(int(f.Fd())); err != nil {
						b.Error(err)
					}
					mu.Lock()
					spare, synced, writing = out, upTo, false
					cond.Broadcast()
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(began).Seconds()
}

// benchPut has workers put single tickets, each acknowledged after it is on disk, and compares with the floor. open makes
// the workers of a server; each returns how many of n puts it makes at once, after they were acknowledged.
func benchPut(b *testing.B, inFlight int, open func(addr string) (workers []func(n int64) (int, error), end func())) {
	dir := b.TempDir()
	server, err := netqueue.Open(netqueue.ServerConfig{Addr: "127.0.0.1:0", Dir: dir, Token: domain.NewSecret(token), MaxTickets: 1 << 30})
	require.NoError(b, err)
	ran := make(chan error, 1)
	go func() { ran <- server.Run(b.Context()) }()
	workers, end := open(server.Addr())
	var done atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for _, put := range workers {
		all.Go(func() {
			for done.Load() < int64(b.N) {
				n, err := put(done.Load())
				if err != nil {
					b.Error(err)
					return
				}
				done.Add(int64(n))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	rate := float64(done.Load()) / b.Elapsed().Seconds()
	end()
	require.NoError(b, server.Close())
	require.NoError(b, <-ran)
	lowest := floor(b, dir, inFlight, done.Load())
	b.ReportMetric(rate, "puts/s")
	b.ReportMetric(lowest, "floor/s")
	b.ReportMetric(rate/lowest, "of-floor")
}

// throughClient makes workers that share clients.
func throughClient(b *testing.B, clients, inFlight int) {
	benchPut(b, clients*inFlight, func(addr string) (workers []func(int64) (int, error), end func()) {
		var all []*netqueue.Client
		for i := range clients {
			c := netqueue.NewClient(netqueue.ClientConfig{Addr: addr, Queue: "jobs", Token: domain.NewSecret(token)})
			require.NoError(b, c.Ping(b.Context()))
			all = append(all, c)
			for j := range inFlight {
				n := int64(0)
				workers = append(workers, func(int64) (int, error) {
					n++
					return 1, c.Put(b.Context(), []domain.Ticket{benchTicket(fmt.Sprintf("%d-%d", i, j), n)})
				})
			}
		}
		return workers, func() {
			for _, c := range all {
				c.Close()
			}
		}
	})
}

// throughWire makes workers that write frames themselves, so many at once: what is measured is the server.
func throughWire(b *testing.B, connections, inFlight int) {
	benchPut(b, connections*inFlight, func(addr string) (workers []func(int64) (int, error), end func()) {
		var all []net.Conn
		for i := range connections {
			nc, err := net.Dial("tcp", addr)
			require.NoError(b, err)
			all = append(all, nc)
			_, err = nc.Write(frameOf(0x01, 1, []byte("RMNQ"), uint16(1), token, "bench"))
			require.NoError(b, err)
			_, err = io.ReadFull(nc, make([]byte, 4+5+2+2+32+4+4))
			require.NoError(b, err)
			var out []byte
			in := make([]byte, inFlight*13)
			n := uint64(0)
			workers = append(workers, func(int64) (int, error) {
				if out == nil {
					for j := range uint32(inFlight) {
						out = append(out, frameOf(0x02, j, "jobs", uint16(1), byte(5), strings.Repeat("t", 120), strings.Repeat("j", 120))...)
					}
				}
				for j := range inFlight { // another id each time, at the place of the first bytes of the ticket's
					n++
					binary.BigEndian.PutUint64(out[j*len(out)/inFlight+4+5+6+2+1+2:], n)
					binary.BigEndian.PutUint32(out[j*len(out)/inFlight+4+5+6+2+1+2+8:], uint32(i))
				}
				if _, err := nc.Write(out); err != nil {
					return 0, err
				}
				if _, err := io.ReadFull(nc, in); err != nil {
					return 0, err
				}
				for j := range inFlight {
					if in[j*13+4] != 0x82 || in[j*13+12] != 1 {
						return 0, fmt.Errorf("a put was answered with % x", in[j*13:(j+1)*13])
					}
				}
				return inFlight, nil
			})
		}
		return workers, func() {
			for _, nc := range all {
				_ = nc.Close()
			}
		}
	})
}

func BenchmarkPut_16ConnectionsWith64InFlight(b *testing.B) { throughWire(b, 16, 64) }

func BenchmarkPut_64ConnectionsOneAtATime(b *testing.B) { throughWire(b, 64, 1) }

func BenchmarkPut_16ClientsWith64InFlight(b *testing.B) { throughClient(b, 16, 64) }

func BenchmarkPut_64ClientsOneAtATime(b *testing.B) { throughClient(b, 64, 1) }

// BenchmarkDeliver takes tickets that stand: RESERVE of 100, one ACK for all of them, on disk.
func BenchmarkDeliver_100AtATime(b *testing.B) {
	server, err := netqueue.Open(netqueue.ServerConfig{Addr: "127.0.0.1:0", Dir: b.TempDir(), Token: domain.NewSecret(token), MaxTickets: 1 << 30})
	require.NoError(b, err)
	ran := make(chan error, 1)
	go func() { ran <- server.Run(b.Context()) }()
	c := netqueue.NewClient(netqueue.ClientConfig{Addr: server.Addr(), Queue: "jobs", Token: domain.NewSecret(token)})
	for done := 0; done < b.N; done += 1000 {
		some := make([]domain.Ticket, 1000)
		for i := range some {
			some[i] = benchTicket("d", int64(done+i))
		}
		require.NoError(b, c.Put(b.Context(), some))
	}
	b.ResetTimer()
	for done := 0; done < b.N; {
		d, err := c.Reserve(b.Context(), min(100, b.N-done), time.Minute)
		require.NoError(b, err)
		receipts := make([]uint64, len(d))
		for i, x := range d {
			receipts[i] = x.Receipt
		}
		require.NoError(b, c.Ack(b.Context(), receipts...))
		done += len(d)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tickets/s")
	c.Close()
	require.NoError(b, server.Close())
	require.NoError(b, <-ran)
}
