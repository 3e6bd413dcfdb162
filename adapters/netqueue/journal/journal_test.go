package journal_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/netqueue/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// set is the simplest state: kind 1 adds a number, kind 2 removes it.
type set map[uint64]bool

func (s set) Apply(kind byte, payload []byte) error {
	if len(payload) < 8 || kind < 1 || kind > 2 {
		return fmt.Errorf("kind %d with %d bytes", kind, len(payload))
	}
	n := binary.BigEndian.Uint64(payload)
	switch {
	case kind == 2 && !s[n]:
		return fmt.Errorf("%d is not there", n)
	case kind == 2:
		delete(s, n)
	default:
		s[n] = true
	}
	return nil
}

func (s set) Save(emit func(kind byte, payload []byte) error) error {
	for _, n := range slices.Sorted(maps.Keys(s)) {
		if err := emit(1, number(n)); err != nil {
			return err
		}
	}
	return nil
}

func number(n uint64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, n), "some more bytes to make it larger"...)
}

func open(t *testing.T, dir string) (*journal.Journal, set) {
	t.Helper()
	j, s, err := tryOpen(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j, s
}

func tryOpen(dir string) (*journal.Journal, set, error) {
	s := set{}
	j, err := journal.Open(dir, journal.Options{SegmentBytes: 1000}, s)
	return j, s, err
}

// add appends numbers, each synced by itself.
func add(t *testing.T, j *journal.Journal, from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		require.NoError(t, j.Wait(j.Append(1, number(n))))
	}
}

func to(n uint64) set {
	s := set{}
	for i := uint64(1); i <= n; i++ {
		s[i] = true
	}
	return s
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "segment-*.log"))
	require.NoError(t, err)
	slices.Sort(found)
	return found
}

func TestJournal_KeepsWhatWasWaitedFor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	j, s := open(t, dir)
	require.Empty(t, s)
	require.Zero(t, j.Last())
	id := j.StoreID()
	require.Len(t, id, 32)
	add(t, j, 1, 100)
	require.NoError(t, j.Wait(j.Append(2, number(7))))
	j.Append(1, number(500)) // not waited for: Close brings it to disk
	require.NoError(t, j.Close())
	require.NoError(t, j.Close())
	require.Error(t, j.Wait(j.Append(1, number(501))))
	require.Error(t, j.Wait(j.Last()), "after Close nothing more is vouched for")
	require.Greater(t, len(segments(t, dir)), 3)

	j, s = open(t, dir)
	want := to(100)
	delete(want, 7)
	want[500] = true
	require.Equal(t, want, s)
	require.Equal(t, uint64(102), j.Last())
	require.Equal(t, id, j.StoreID())
}

func TestJournal_OneAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := open(t, dir)
	_, _, err := tryOpen(dir)
	require.ErrorIs(t, err, journal.ErrLocked)
	_, err = journal.Repair(dir, set{})
	require.ErrorIs(t, err, journal.ErrLocked)
	require.NoError(t, j.Close())
	open(t, dir)
}

func TestJournal_ManyWritersOneOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := open(t, dir)
	var all sync.WaitGroup
	for w := range uint64(16) {
		all.Go(func() {
			for i := range uint64(200) {
				if err := j.Wait(j.Append(1, number(w*1000+i))); err != nil {
					t.Errorf("Wait: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		for range 20 {
			if err := j.Compact(set{}); err != nil {
				t.Errorf("Compact: %v", err)
			}
		}
	})
	all.Wait()
	require.Equal(t, uint64(3200), j.Last())
	require.NoError(t, j.Close())
	_, s := open(t, dir)
	require.Len(t, s, 3200)
}

func TestJournal_CompactLeavesOneSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := open(t, dir)
	add(t, j, 1, 60)
	<-j.Due()
	for n := uint64(1); n <= 50; n++ {
		j.Append(2, number(n))
	}
	require.NoError(t, j.Wait(j.Last()))
	require.NoError(t, j.Compact(set{}))
	require.NoError(t, j.Compact(set{}), "with nothing to do")
	add(t, j, 101, 140)
	require.NoError(t, j.Compact(set{}))
	snapshots, err := filepath.Glob(filepath.Join(dir, "snapshot-*.snap"))
	require.NoError(t, err)
	require.Len(t, snapshots, 1)
	require.Len(t, segments(t, dir), 1)
	require.NoError(t, j.Close())
	require.Error(t, j.Compact(set{}))

	want := set{}
	for n := uint64(51); n <= 60; n++ {
		want[n] = true
	}
	for n := uint64(101); n <= 140; n++ {
		want[n] = true
	}
	j, s := open(t, dir)
	require.Equal(t, want, s)
	require.Equal(t, uint64(150), j.Last())
}

// TestJournal_CompactionEndedAnywhere has the files of before and after a compaction together, as a crash leaves them.
func TestJournal_CompactionEndedAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := open(t, dir)
	add(t, j, 1, 60)
	before := map[string][]byte{}
	for _, name := range segments(t, dir) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		before[name] = b
	}
	require.NoError(t, j.Compact(set{}))
	require.NoError(t, j.Close())
	for name, b := range before {
		if _, err := os.Stat(name); err != nil {
			require.NoError(t, os.WriteFile(name, b, 0o600))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "snapshot-00000000000000000099.snap.tmp"), []byte("half"), 0o600))
	j, s := open(t, dir)
	require.Equal(t, to(60), s)
	add(t, j, 61, 100)
	require.NoError(t, j.Compact(set{}))
	require.NoError(t, j.Close())
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	require.NoError(t, err)
	require.Empty(t, left)
	_, s = open(t, dir)
	require.Equal(t, to(100), s)
}

// TestJournal_DiskFails closes the file under the journal's feet: who waits is told, and nothing is answered any more.
func TestJournal_DiskFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := open(t, dir)
	add(t, j, 1, 3)
	require.NoError(t, j.BreakFile())
	var all sync.WaitGroup
	for n := range uint64(8) {
		all.Go(func() {
			if j.Wait(j.Append(1, number(100+n))) == nil {
				t.Error("a record was called safe that is not")
			}
		})
	}
	all.Wait()
	<-j.Failed()
	require.Error(t, j.Err())
	require.Error(t, j.Wait(j.Append(1, number(200))))
	require.Error(t, j.Wait(j.Last()))
	require.NoError(t, j.Wait(3), "what was safe is")
	require.Error(t, j.Close())
	_, s := open(t, dir)
	require.Equal(t, to(3), s)
}

// TestJournal_WaitReturnsAfterTheSync holds every sync up: nobody is answered before it was let through, and all who
// appended meanwhile share the next one.
func TestJournal_WaitReturnsAfterTheSync(t *testing.T) {
	t.Parallel()
	j, _ := open(t, t.TempDir())
	began, through := make(chan struct{}), make(chan struct{})
	j.OnSync(func(sync func() error) error {
		began <- struct{}{}
		<-through
		return sync()
	})
	answered := make(chan uint64, 100)
	var all sync.WaitGroup
	wait := func(lsn uint64) {
		all.Go(func() {
			if err := j.Wait(lsn); err != nil {
				t.Errorf("Wait: %v", err)
			}
			answered <- lsn
		})
	}
	wait(j.Append(1, number(1)))
	<-began
	for n := uint64(2); n <= 50; n++ {
		wait(j.Append(1, number(n)))
	}
	require.Empty(t, answered)
	through <- struct{}{}
	require.Equal(t, uint64(1), <-answered)
	<-began
	require.Empty(t, answered)
	through <- struct{}{}
	all.Wait() // a third sync would hang
	require.Len(t, answered, 49)
}

// TestJournal_SyncFails once, and never again is anything called safe: nobody knows what a failed sync has left.
func TestJournal_SyncFails(t *testing.T) {
	t.Parallel()
	j, _ := open(t, t.TempDir())
	broken := errors.New("the disk is broken")
	first := true
	j.OnSync(func(sync func() error) error {
		if first {
			first = false
			return broken
		}
		return sync()
	})
	lsn := j.Append(1, number(1))
	require.ErrorIs(t, j.Wait(lsn), broken)
	<-j.Failed()
	require.ErrorIs(t, j.Wait(lsn), broken)
	require.ErrorIs(t, j.Wait(j.Append(1, number(2))), broken)
	require.ErrorIs(t, j.Err(), broken)
}

// TestJournal_SegmentCannotBegin fails at a rotation: the directory is gone.
func TestJournal_SegmentCannotBegin(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone")
	j, _ := open(t, dir)
	require.NoError(t, os.RemoveAll(dir))
	var err error
	for n := uint64(1); n < 100 && err == nil; n++ {
		err = j.Wait(j.Append(1, number(n)))
	}
	require.Error(t, err)
	<-j.Failed()
	require.ErrorContains(t, j.Err(), "begin a segment")
}

func TestRepair_WholeLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := open(t, dir)
	add(t, j, 1, 50)
	id := j.StoreID()
	require.NoError(t, j.Close())
	report, err := journal.Repair(dir, set{})
	require.NoError(t, err)
	require.Nil(t, report.Damage)
	require.Contains(t, report.String(), "nothing was changed")
	j, s := open(t, dir)
	require.Equal(t, to(50), s)
	require.Equal(t, id, j.StoreID())
	_, err = journal.Repair(filepath.Join(dir, "missing"), set{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := make([]string, 0, len(entries))
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}
