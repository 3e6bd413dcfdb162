package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue/journal"
)

// files is a directory's content.
type files map[string][]byte

func read(t *testing.T, dir string) files {
	t.Helper()
	f := files{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		f[e.Name()] = b
	}
	return f
}

// write makes a fresh directory with the content, changed.
func (f files) write(t *testing.T, change func(files)) string {
	t.Helper()
	g := files{}
	for name, b := range f {
		g[name] = append([]byte(nil), b...)
	}
	change(g)
	dir := t.TempDir()
	for name, b := range g {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	return dir
}

// sample is a closed log: a snapshot up to some record, closed segments, and a last segment with several records.
// It returns the names of the files in order.
func sample(t *testing.T) (f files, snapshot, closed, last string, newest uint64) {
	t.Helper()
	dir := t.TempDir()
	j, _ := open(t, dir)
	add(t, j, 1, 30)
	require.NoError(t, j.Compact(set{}))
	newest = 30
	for len(segments(t, dir)) < 2 || tailBytes(t, dir) < 300 {
		newest++
		add(t, j, newest, newest)
	}
	require.NoError(t, j.Close())
	all := segments(t, dir)
	snapshots, err := filepath.Glob(filepath.Join(dir, "snapshot-*.snap"))
	require.NoError(t, err)
	require.Len(t, snapshots, 1)
	return read(t, dir), filepath.Base(snapshots[0]), filepath.Base(all[0]), filepath.Base(all[len(all)-1]), newest
}

func tailBytes(t *testing.T, dir string) int64 {
	t.Helper()
	all := segments(t, dir)
	info, err := os.Stat(all[len(all)-1])
	require.NoError(t, err)
	return info.Size()
}

const recordSize = 28 + 8 + 33 + 4 // of add

// requireRefused checks that a directory is refused with its place, and that nothing was changed.
func requireRefused(t *testing.T, dir, file, what string) {
	t.Helper()
	before := read(t, dir)
	_, _, err := tryOpen(dir)
	damage, ok := errors.AsType[*journal.Damage](err)
	require.True(t, ok, "%s: opened with %v", what, err)
	require.Equal(t, file, damage.File, what)
	require.ErrorContains(t, err, "remora queue repair", what)
	require.ErrorContains(t, err, dir, what)
	require.Equal(t, before, read(t, dir), "%s: a refusal changes nothing", what)
}

// requireRepaired checks that a directory is refused, and that a repair makes it one that opens with another identity and
// a beginning of what was there.
func requireRepaired(t *testing.T, dir, file, what string) {
	t.Helper()
	requireRefused(t, dir, file, what)
	before := read(t, dir)
	report, err := journal.Repair(dir, set{})
	require.NoError(t, err, what)
	require.NotNil(t, report.Damage, what)
	require.NotEmpty(t, report.String())
	j, s, err := tryOpen(dir)
	require.NoError(t, err, "%s: after the repair (%s): %s", what, report, names(t, dir))
	require.Equal(t, to(report.Kept), s, what)
	require.Equal(t, report.Kept, j.Last(), what)
	require.NotContains(t, string(before["store_id"]), j.StoreID(), what)
	require.NoError(t, j.Wait(j.Append(1, number(report.Kept+1))), what)
	require.NoError(t, j.Close(), what)
	j, s, err = tryOpen(dir)
	require.NoError(t, err, what)
	require.Equal(t, to(report.Kept+1), s, what)
	require.NoError(t, j.Close(), what)
}

// TestDamage_TruncatedAcknowledged cuts the last record, which somebody was told of, at every byte.
func TestDamage_TruncatedAcknowledged(t *testing.T) {
	t.Parallel()
	f, _, _, last, _ := sample(t)
	for cut := 1; cut <= recordSize; cut++ {
		dir := f.write(t, func(f files) { f[last] = f[last][:len(f[last])-cut] })
		requireRefused(t, dir, last, "cut")
		if cut%11 == 0 || cut == recordSize {
			requireRepaired(t, dir, last, "cut")
		}
	}
}

// TestDamage_TornTail cuts the last record at every byte, and nobody was told of it: that is how a crash in the middle of
// a write looks.
func TestDamage_TornTail(t *testing.T) {
	t.Parallel()
	f, _, _, last, newest := sample(t)
	for cut := 1; cut < recordSize; cut++ {
		dir := f.write(t, func(f files) {
			f[last] = f[last][:len(f[last])-cut]
			f["synced"] = mark(t, newest-1)
		})
		j, s, err := tryOpen(dir)
		require.NoError(t, err, "cut by %d", cut)
		require.Equal(t, to(newest-1), s)
		require.Equal(t, int64(recordSize-cut), j.Torn())
		require.NoError(t, j.Wait(j.Append(1, number(newest))))
		require.NoError(t, j.Close())
		_, s = open(t, dir)
		require.Equal(t, to(newest), s)
	}
	for name, b := range map[string][]byte{"zeros": make([]byte, 4096), "ones": {0xff, 0xff, 0xff}} {
		dir := f.write(t, func(f files) { f[last] = append(f[last], b...) })
		j, s := open(t, dir)
		require.Equal(t, to(newest), s, name)
		require.Equal(t, int64(len(b)), j.Torn(), name)
	}
}

// mark is what the file of the last acknowledged record holds, as a journal writes it.
func mark(t *testing.T, n uint64) []byte {
	t.Helper()
	dir := t.TempDir()
	j, _ := open(t, dir)
	for range n {
		j.Append(1, number(1))
	}
	require.NoError(t, j.Close())
	b, err := os.ReadFile(filepath.Join(dir, "synced"))
	require.NoError(t, err)
	return b
}

// TestDamage_BitFlips turns one bit of every byte of every file that holds records: all of it is refused, or, in what
// nobody was told of, cut; never served.
func TestDamage_BitFlips(t *testing.T) {
	t.Parallel()
	f, snapshot, closed, last, newest := sample(t)
	same := f.write(t, func(files) {}) // refused each time, and so never changed: one directory does for all
	for _, file := range []string{snapshot, closed, last} {
		for at := range f[file] {
			flip := func(f files) { f[file][at] ^= 1 << (at % 8) }
			flip(f)
			require.NoError(t, os.WriteFile(filepath.Join(same, file), f[file], 0o600))
			requireRefused(t, same, file, file)
			flip(f)
			if at%31 == 0 { // a repair is a dozen fsyncs; 31 has no part in the size of a record
				requireRepaired(t, f.write(t, flip), file, file)
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(same, file), f[file], 0o600))
	}
	_, s := open(t, same)
	require.Equal(t, to(newest), s)
}

// TestDamage_BitFlipsUnmarked is a machine that lost power, so that the mark is older than the log: a flip is refused
// wherever a whole record stands behind it, and in the last record it is a torn end.
func TestDamage_BitFlipsUnmarked(t *testing.T) {
	t.Parallel()
	f, _, _, last, newest := sample(t)
	delete(f, "synced")
	end := len(f[last])
	for at := 20; at < end; at++ {
		dir := f.write(t, func(f files) { f[last][at] ^= 1 << (at % 8) })
		if at < end-recordSize {
			requireRefused(t, dir, last, "a record with others behind it")
			continue
		}
		j, s := open(t, dir)
		require.Equal(t, to(newest-1), s)
		require.Equal(t, int64(recordSize), j.Torn())
		require.NoError(t, j.Close())
	}
}

func TestDamage_MissingFiles(t *testing.T) {
	t.Parallel()
	f, snapshot, closed, last, _ := sample(t)
	requireRepaired(t, f.write(t, func(f files) { delete(f, snapshot) }), "", "without the snapshot")
	requireRepaired(t, f.write(t, func(f files) { delete(f, closed) }), "", "without a closed segment")
	requireRepaired(t, f.write(t, func(f files) { delete(f, last) }), closed, "without the last segment")
	requireRepaired(t, f.write(t, func(f files) { delete(f, closed); delete(f, last) }), "", "without segments")
	requireRepaired(t, f.write(t, func(f files) { f[last], f[closed] = f[closed], f[last] }), closed, "with segments exchanged")
	requireRepaired(t, f.write(t, func(f files) { f[closed] = f[closed][:len(f[closed])-recordSize] }), last, "with a segment that ends early")

	dir := f.write(t, func(f files) { delete(f, "store_id") })
	j, _ := open(t, dir)
	require.NotContains(t, string(f["store_id"]), j.StoreID(), "without its identity it is another store")
}

// TestDamage_UnknownRecord is whole and not understood: a newer program wrote it.
func TestDamage_UnknownRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := open(t, dir)
	add(t, j, 1, 3)
	require.NoError(t, j.Wait(j.Append(9, number(4))))
	require.NoError(t, j.Close())
	requireRefused(t, dir, filepath.Base(segments(t, dir)[0]), "an unknown kind")
}

// TestRepair_KeepsWhatItDrops moves the damaged part aside, byte for byte.
func TestRepair_KeepsWhatItDrops(t *testing.T) {
	t.Parallel()
	f, _, closed, last, _ := sample(t)
	at := 20 + recordSize + 5 // in the second record of a closed segment
	dir := f.write(t, func(f files) { f[closed][at] ^= 1 })
	report, err := journal.Repair(dir, set{})
	require.NoError(t, err)
	require.Equal(t, int64(20+recordSize), report.Damage.Offset)
	require.Equal(t, int64(len(f[closed])-20-recordSize+len(f[last])), report.Dropped)
	require.Equal(t, (len(f[closed])-20)/recordSize-2+(len(f[last])-20)/recordSize, report.Readable)
	moved := read(t, report.MovedTo)
	require.Equal(t, f[last], moved[last])
	tail := append([]byte(nil), f[closed][20+recordSize:]...)
	tail[5] ^= 1
	require.Equal(t, tail, moved[closed+".from-"+"93"])
}
