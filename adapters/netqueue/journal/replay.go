package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// State is what the records add up to.
type State interface {
	// Apply takes a record, in the order of the log; payload is only valid during the call. An error says that it does not
	// understand the record.
	Apply(kind byte, payload []byte) error
	// Save emits records from which Apply makes the same state again. Kinds are 1 to 255, payloads up to MaxPayload.
	Save(emit func(kind byte, payload []byte) error) error
}

// kindEnd ends a snapshot and counts its records.
const kindEnd = 0

// Damage says that a directory's content is not what was written to it, and where. Nothing was changed.
type Damage struct {
	Dir    string
	File   string // empty when files are missing
	Offset int64
	What   string
	Told   bool // it is certain that something is gone of which somebody was told that it is safe
}

// Error says what is damaged, where, and what to do.
func (d *Damage) Error() string {
	where := "the log in " + d.Dir
	if d.File != "" {
		where = fmt.Sprintf("%s is damaged at byte %d", filepath.Join(d.Dir, d.File), d.Offset)
	}
	text := fmt.Sprintf("%s: %s", where, d.What)
	if d.Told {
		text += " (it had been acknowledged)"
	}
	return text + "; nothing was changed or served. `remora queue repair` moves the damaged part aside and says what is lost; " +
		"the jobs in the database are then offered to the queue again"
}

// tail is where a log ends.
type tail struct {
	snapshot      uint64 // the last number in the snapshot; 0 without one
	snapshotBytes int64
	segments      []uint64 // first numbers, oldest first; the last is written to
	offset        int64    // where the last segment's valid records end
	torn          int64    // bytes behind them that may be cut
	last          uint64   // the last number
	closed        int64    // bytes of the other segments
	storeID       string   // empty when the directory was never answered from
}

// scan reads a directory into state without changing anything. Its errors are *Damage or the system's.
func scan(dir string, state State) (tail, error) {
	var t tail
	var err error
	if t.storeID, err = loadStoreID(dir); err != nil {
		return t, err
	}
	known := uint64(0)
	if t.storeID != "" {
		if known, err = loadMark(dir); err != nil {
			return t, err
		}
	}
	snapshots, err := numbers(dir, snapshotPrefix, snapshotSuffix)
	if err != nil {
		return t, err
	}
	if len(snapshots) > 0 {
		t.snapshot = snapshots[len(snapshots)-1]
		if t.snapshotBytes, err = readSnapshot(dir, t.snapshot, state); err != nil {
			return t, err
		}
	}
	if t.segments, err = numbers(dir, segmentPrefix, segmentSuffix); err != nil {
		return t, err
	}
	if err := t.replay(dir, state, known); err != nil {
		return t, err
	}
	switch {
	case t.last < t.snapshot:
		return t, &Damage{Dir: dir, Told: true, What: fmt.Sprintf("its segments end with record %d, though the snapshot contains record %d", t.last, t.snapshot)}
	case t.last < known:
		return t, &Damage{Dir: dir, File: t.lastFile(), Offset: t.offset, Told: true,
			What: fmt.Sprintf("the log ends with record %d, though record %d was on disk", t.last, known)}
	}
	return t, nil
}

func (t *tail) lastFile() string {
	if len(t.segments) == 0 {
		return ""
	}
	return numbered(segmentPrefix, t.segments[len(t.segments)-1], segmentSuffix)
}

// replay reads the segments that the snapshot does not contain.
func (t *tail) replay(dir string, state State, known uint64) error {
	t.last = t.snapshot
	if len(t.segments) == 0 {
		if t.storeID != "" {
			return &Damage{Dir: dir, What: "its segments are missing", Told: known > 0}
		}
		return nil
	}
	for len(t.segments) > 1 && t.segments[1] <= t.snapshot+1 {
		t.segments = t.segments[1:] // contained; a compaction ended before it removed it
	}
	if first := t.segments[0]; first > t.snapshot+1 {
		return &Damage{Dir: dir, What: fmt.Sprintf("records %d to %d are missing: the first segment begins with %d", t.snapshot+1, first-1, first), Told: true}
	}
	for i, first := range t.segments {
		if i > 0 && first != t.last+1 {
			return &Damage{Dir: dir, File: numbered(segmentPrefix, first, segmentSuffix), Told: true,
				What: fmt.Sprintf("it begins with record %d, though the segment before ends with %d", first, t.last)}
		}
		if err := t.segment(dir, first, state, known, i == len(t.segments)-1); err != nil {
			return err
		}
	}
	return nil
}

// segment reads one segment. Only in the last one a torn end is no damage, and only what nobody was told of and what has
// nothing whole behind it is a torn end.
func (t *tail) segment(dir string, first uint64, state State, known uint64, last bool) error {
	name := numbered(segmentPrefix, first, segmentSuffix)
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if what := checkFileHead(b, segmentMagic, first); what != "" {
		return &Damage{Dir: dir, File: name, What: what, Told: known >= first}
	}
	t.last, t.offset = first-1, fileHeadBytes
	for int(t.offset) < len(b) {
		rest := b[t.offset:]
		h, payload, what := parseRecord(rest)
		damage := &Damage{Dir: dir, File: name, Offset: t.offset, What: what, Told: t.last+1 <= known}
		switch {
		case what != "":
			return t.tornOrDamaged(rest, damage, last)
		case h.lsn != t.last+1:
			damage.What = fmt.Sprintf("there is record %d where record %d belongs", h.lsn, t.last+1)
			return damage
		case h.synced >= h.lsn:
			damage.What = "a record says that later ones were on disk before it"
			return damage
		}
		if h.lsn > t.snapshot {
			if err := state.Apply(h.kind, payload); err != nil {
				damage.What = fmt.Sprintf("record %d is whole but not understood: %v", h.lsn, err)
				return damage
			}
		}
		t.last, t.offset = h.lsn, t.offset+h.size()
	}
	if !last {
		t.closed += int64(len(b))
	}
	return nil
}

// tornOrDamaged decides what a record that cannot be read is: the torn end of the log, or damage.
func (t *tail) tornOrDamaged(rest []byte, damage *Damage, last bool) error {
	if !last || damage.Told {
		return damage
	}
	if n, at := laterRecords(rest, t.last+1); n > 0 {
		damage.What += fmt.Sprintf(", and %d records stand behind it, the first at byte %d", n, damage.Offset+at)
		return damage
	}
	t.torn = int64(len(rest))
	return nil
}

// readSnapshot reads a snapshot into state and returns its size; a nil state only checks it.
func readSnapshot(dir string, number uint64, state State) (int64, error) {
	name := numbered(snapshotPrefix, number, snapshotSuffix)
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, 256<<10)
	buf := make([]byte, fileHeadBytes)
	offset, records := int64(0), uint64(0)
	damaged := func(what string) error {
		return &Damage{Dir: dir, File: name, Offset: offset, What: what, Told: true}
	}
	if n, err := io.ReadFull(r, buf); err != nil && !cutOff(err) {
		return 0, err
	} else if what := checkFileHead(buf[:n], snapshotMagic, number); what != "" {
		return 0, damaged(what)
	}
	for offset = fileHeadBytes; ; {
		h, payload, what, err := readRecord(r, &buf)
		switch {
		case err != nil:
			return 0, err
		case what != "":
			return 0, damaged(what)
		case h.lsn != records+1:
			return 0, damaged("a record is missing")
		case h.kind == kindEnd:
			if len(payload) != 8 || binary.BigEndian.Uint64(payload) != records {
				return 0, damaged("the snapshot's end does not fit its content")
			}
			if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
				return 0, damaged("there is something behind the snapshot's end")
			}
			return offset + h.size(), nil
		}
		records++
		if state != nil {
			if err := state.Apply(h.kind, payload); err != nil {
				return 0, damaged(fmt.Sprintf("record %d is whole but not understood: %v", h.lsn, err))
			}
		}
		offset += h.size()
	}
}

// readRecord reads one record from a stream; buf is reused.
func readRecord(r io.Reader, buf *[]byte) (h header, payload []byte, what string, err error) {
	b := append((*buf)[:0], make([]byte, headerBytes)...)
	n, err := io.ReadFull(r, b)
	if err != nil && !cutOff(err) {
		return h, nil, "", err
	}
	if h, what = parseHeader(b[:n]); what != "" {
		return h, nil, what, nil
	}
	b = append(b, make([]byte, h.size()-headerBytes)...)
	*buf = b
	n, err = io.ReadFull(r, b[headerBytes:])
	if err != nil && !cutOff(err) {
		return h, nil, "", err
	}
	h, payload, what = parseRecord(b[:headerBytes+n])
	return h, payload, what, nil
}

func cutOff(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
