package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Due receives when enough segments are closed for Compact to be worth its while.
func (j *Journal) Due() <-chan struct{} { return j.due }

// Compact folds the snapshot and the closed segments, read from disk into the given empty state, into a new snapshot,
// reads that back, and removes what it replaces. Appends go on meanwhile. An error leaves everything as it was, unless
// Failed is closed; a later call tries again.
func (j *Journal) Compact(state State) error {
	j.compacting.Lock()
	defer j.compacting.Unlock()
	j.mu.Lock()
	if j.closed || j.err != nil {
		defer j.mu.Unlock()
		return errors.Join(j.err, ErrClosed)
	}
	upTo, folded := j.active-1, j.closedBytes
	j.mu.Unlock()

	before, err := j.fold(upTo, state)
	if err != nil {
		return fmt.Errorf("fold the log: %w", err)
	}
	if before.snapshot == upTo {
		return nil
	}
	if err := j.writeSnapshot(upTo, state); err != nil {
		return err
	}
	size, err := readSnapshot(j.dir, upTo, nil)
	if err != nil {
		// The log that it was made of is still there: without this file nothing is lost.
		return errors.Join(fmt.Errorf("read the snapshot back: %w", err), os.Remove(j.path(snapshotPrefix, upTo, snapshotSuffix)), syncDir(j.dir))
	}
	j.mu.Lock()
	j.snapshotBytes = size
	j.closedBytes -= folded
	j.mu.Unlock()
	return j.removeFolded(upTo)
}

// fold reads everything up to a number, the end of a closed segment, into state.
func (j *Journal) fold(upTo uint64, state State) (tail, error) {
	var t tail
	snapshots, err := numbers(j.dir, snapshotPrefix, snapshotSuffix)
	if err != nil {
		return t, err
	}
	if len(snapshots) > 0 {
		t.snapshot = snapshots[len(snapshots)-1]
		if t.snapshot == upTo {
			return t, nil
		}
		if t.snapshotBytes, err = readSnapshot(j.dir, t.snapshot, state); err != nil {
			return t, err
		}
	}
	segments, err := numbers(j.dir, segmentPrefix, segmentSuffix)
	if err != nil {
		return t, err
	}
	for _, first := range segments {
		if first <= upTo {
			t.segments = append(t.segments, first)
		}
	}
	// All of these were closed: known = upTo lets no torn end pass.
	if err := t.replay(j.dir, state, upTo); err != nil {
		return t, err
	}
	if t.last != upTo {
		return t, &Damage{Dir: j.dir, File: t.lastFile(), Offset: t.offset, What: fmt.Sprintf("it ends with record %d instead of %d", t.last, upTo), Told: true}
	}
	return t, nil
}

func (j *Journal) path(prefix string, n uint64, suffix string) string {
	return filepath.Join(j.dir, numbered(prefix, n, suffix))
}

func (j *Journal) writeSnapshot(number uint64, state State) (err error) {
	name := numbered(snapshotPrefix, number, snapshotSuffix)
	f, err := os.OpenFile(filepath.Join(j.dir, name+temporary), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	var buf []byte
	records := uint64(0)
	emit := func(kind byte, payload []byte) error {
		records++
		buf = appendRecord(buf[:0], kind, records, 0, payload)
		_, err := w.Write(buf)
		return err
	}
	_, err = w.Write(fileHead(snapshotMagic, number))
	if err == nil {
		err = state.Save(emit)
	}
	if err == nil {
		err = emit(kindEnd, binary.BigEndian.AppendUint64(nil, records))
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write a snapshot: %w", err), f.Close(), os.Remove(f.Name()))
	}
	err = f.Sync()
	if err = errors.Join(err, f.Close()); err == nil {
		err = publish(j.dir, name)
	}
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		err = fmt.Errorf("sync a snapshot: %w", err)
		j.fail(err)
	}
	return err
}

func (j *Journal) removeFolded(upTo uint64) error {
	segments, err := numbers(j.dir, segmentPrefix, segmentSuffix)
	for _, first := range segments {
		if first <= upTo {
			err = errors.Join(err, os.Remove(j.path(segmentPrefix, first, segmentSuffix)))
		}
	}
	snapshots, e := numbers(j.dir, snapshotPrefix, snapshotSuffix)
	err = errors.Join(err, e)
	for _, n := range snapshots {
		if n < upTo {
			err = errors.Join(err, os.Remove(j.path(snapshotPrefix, n, snapshotSuffix)))
		}
	}
	return errors.Join(err, syncDir(j.dir))
}
