package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Report says what Repair found and did.
type Report struct {
	Damage   *Damage // nil when there was nothing to repair; then nothing was changed
	Kept     uint64  // the last record that is kept; 0 = none
	Dropped  int64   // bytes moved aside
	Readable int     // records among them whose headers are whole
	MovedTo  string  // where they are now
}

// String tells a person.
func (r Report) String() string {
	if r.Damage == nil {
		return "the log is whole; nothing was changed"
	}
	text := fmt.Sprintf("%s, at byte %d of %s: ", r.Damage.What, r.Damage.Offset, filepath.Join(r.Damage.Dir, r.Damage.File))
	if r.Damage.File == "" {
		text = r.Damage.What + ": "
	}
	text += fmt.Sprintf("kept everything up to record %d; dropped %d bytes with at least %d records", r.Kept, r.Dropped, r.Readable)
	if r.MovedTo != "" {
		text += ", moved to " + r.MovedTo
	}
	return text + "; the storage has a new identity, so that waiting jobs are offered again"
}

// Repair makes a damaged directory one that Open takes: what stands from the damage on is moved into a directory beside
// the log, and the storage gets another identity, so that whoever filled the queue fills it again. Records behind the
// damage are not kept: what they build on is gone. state is an empty State. Fails with ErrLocked.
func Repair(dir string, state State) (Report, error) {
	if _, err := os.Stat(dir); err != nil {
		return Report{}, err
	}
	held, err := lock(dir)
	if err != nil {
		return Report{}, err
	}
	report, err := repair(dir, state)
	return report, errors.Join(err, unlock(held))
}

func repair(dir string, state State) (Report, error) {
	t, err := scan(dir, state)
	damage, ok := errors.AsType[*Damage](err)
	if !ok {
		return Report{Kept: t.last}, err
	}
	r := Report{Damage: damage, Kept: t.last}
	// The identity goes first: whatever happens from here on, what is served next is known to be another storage.
	if err := remove(dir, storeName, markName); err != nil {
		return r, err
	}
	if r.MovedTo, err = makeAside(dir); err != nil {
		return r, err
	}
	snapshots, err := numbers(dir, snapshotPrefix, snapshotSuffix)
	if err != nil {
		return r, err
	}
	segments, err := numbers(dir, segmentPrefix, segmentSuffix)
	if err != nil {
		return r, err
	}
	whole := len(snapshots) == 0 || damage.File != numbered(snapshotPrefix, snapshots[len(snapshots)-1], snapshotSuffix)
	if !whole {
		r.Kept = 0 // without the snapshot the segments build on nothing
		for _, n := range snapshots {
			err = errors.Join(err, r.move(dir, numbered(snapshotPrefix, n, snapshotSuffix), 0, 0))
		}
	}
	for _, first := range segments {
		name := numbered(segmentPrefix, first, segmentSuffix)
		switch {
		case !whole, damage.File == "", name > damage.File, name == damage.File && damage.Offset == 0:
			err = errors.Join(err, r.move(dir, name, 0, first-1))
		case name == damage.File:
			err = errors.Join(err, r.move(dir, name, damage.Offset, t.last))
		}
	}
	return r, errors.Join(err, syncDir(r.MovedTo), syncDir(dir))
}

// move takes a file from an offset on aside; lsn is the last number before it.
func (r *Report) move(dir, name string, offset int64, lsn uint64) error {
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	gone := b[min(offset, int64(len(b))):]
	readable, _ := laterRecords(gone, lsn)
	r.Dropped += int64(len(gone))
	r.Readable += readable
	if offset == 0 {
		return os.Rename(path, filepath.Join(r.MovedTo, name))
	}
	if len(gone) > 0 {
		if err := writeFile(r.MovedTo, name+".from-"+strconv.FormatInt(offset, 10), slices.Clone(gone)); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(offset), f.Sync(), f.Close())
}

// makeAside makes the first free one of damaged-1, damaged-2 and so on.
func makeAside(dir string) (string, error) {
	for n := 1; ; n++ {
		path := filepath.Join(dir, "damaged-"+strconv.Itoa(n))
		if err := os.Mkdir(path, 0o700); !errors.Is(err, fs.ErrExist) {
			return path, err
		}
	}
}

func remove(dir string, names ...string) error {
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(dir)
}
