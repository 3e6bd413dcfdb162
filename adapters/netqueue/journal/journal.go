// Package journal is a write-ahead log in a directory: records in, and after a restart the same records out, all that
// anybody was told is safe, or a refusal that says what is damaged. It knows nothing of queues.
//
// Append is memory only; Wait returns when the record is on disk. Whoever waits first writes for all (one write and one
// fdatasync answer everybody who appended meanwhile), so there is no goroutine here.
//
// The log is cut into segments. Compact folds the closed ones into a snapshot, reads it back, and removes them.
package journal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// Options of a journal. Zero values take the defaults.
type Options struct {
	SegmentBytes int64 // a segment is closed once it is larger; default 32 MiB
}

const (
	defaultSegmentBytes = 32 << 20
	compactSegments     = 4 // so many are worth a compaction: it writes all that is still there once more
)

// ErrClosed says that the journal was closed.
var ErrClosed = errors.New("the journal is closed")

// Journal is an open log. Its methods are safe for concurrent use.
type Journal struct {
	dir     string
	options Options
	storeID string
	lock    *os.File
	torn    int64

	mu      sync.Mutex
	buf     []byte // appended and not yet taken by a leader
	spare   []byte
	last    uint64 // the last number appended
	synced  uint64 // the last number on disk
	open    *batch // whom the appends in buf wait for
	flying  *batch // what the leader is writing; nil without one
	leading bool   // there is a leader, or the lead waits in open.lead for one
	closed  bool
	err     error
	failed  chan struct{}
	due     chan struct{}

	// of the leader
	file *os.File
	size int64
	mark *mark
	sync func(*os.File) error

	// of the files; under mu
	active        uint64 // first number of the segment that is written to
	closedBytes   int64
	snapshotBytes int64

	compacting sync.Mutex
}

// batch is what is written and synced together.
type batch struct {
	last uint64
	done chan struct{} // closed when it is on disk, or never will be
	lead chan struct{} // holds one token: who takes it leads
}

func newBatch() *batch { return &batch{done: make(chan struct{}), lead: make(chan struct{}, 1)} }

// Open takes a directory, makes it if it is not there, and reads it into state. A torn end that nobody was told of is cut.
// Fails with ErrLocked and *Damage, and changes nothing then.
func Open(dir string, options Options, state State) (*Journal, error) {
	if options.SegmentBytes <= 0 {
		options.SegmentBytes = defaultSegmentBytes
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	held, err := lock(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, options: options, lock: held, open: newBatch(), failed: make(chan struct{}), due: make(chan struct{}, 1),
		sync: syncData}
	if err := j.load(state); err != nil {
		if j.file != nil {
			_ = j.file.Close()
		}
		if j.mark != nil {
			_ = j.mark.f.Close()
		}
		return nil, errors.Join(err, unlock(held))
	}
	return j, nil
}

func (j *Journal) load(state State) error {
	t, err := scan(j.dir, state)
	if err != nil {
		return err
	}
	if err := removeTemporary(j.dir); err != nil {
		return err
	}
	j.last, j.synced, j.torn = t.last, t.last, t.torn
	j.closedBytes, j.snapshotBytes = t.closed, t.snapshotBytes
	if len(t.segments) == 0 {
		if err := j.newSegment(); err != nil {
			return err
		}
	} else {
		j.active = t.segments[len(t.segments)-1]
		if err := j.continueSegment(t); err != nil {
			return err
		}
	}
	if j.mark, err = openMark(j.dir); err != nil {
		return err
	}
	if err := j.mark.set(j.last); err != nil {
		return err
	}
	if j.storeID = t.storeID; j.storeID == "" {
		if j.storeID, err = makeStoreID(j.dir); err != nil {
			return err
		}
		return syncDir(filepath.Dir(j.dir))
	}
	return nil
}

// continueSegment opens the last segment and cuts its torn end. What is there is synced before anybody is answered from
// it: a process that was killed may have left it in memory only.
func (j *Journal) continueSegment(t tail) error {
	f, err := os.OpenFile(filepath.Join(j.dir, numbered(segmentPrefix, j.active, segmentSuffix)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	j.file, j.size = f, t.offset
	if t.torn > 0 {
		if err := f.Truncate(t.offset); err != nil {
			return err
		}
	}
	if _, err := f.Seek(t.offset, 0); err != nil {
		return err
	}
	return f.Sync()
}

// newSegment begins a segment with the number after the last one on disk. Its name appears when its head is on disk, and
// everything before it is.
func (j *Journal) newSegment() error {
	first := j.synced + 1
	name := numbered(segmentPrefix, first, segmentSuffix)
	f, err := os.OpenFile(filepath.Join(j.dir, name+temporary), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(fileHead(segmentMagic, first)); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = publish(j.dir, name)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file, j.size = f, fileHeadBytes
	j.active = first
	return nil
}

// StoreID is the storage's identity: it is made with the directory, and anew when something was lost.
func (j *Journal) StoreID() string { return j.storeID }

// Torn returns how many bytes of a torn end Open has cut.
func (j *Journal) Torn() int64 { return j.torn }

// never is the number of a record that was not taken: a journal that is closed or has failed answers with it, so that
// waiting for it fails.
const never = math.MaxUint64

// Append adds a record and returns its number. It does not touch the disk and does not fail: Wait does. kind is 1 to 255,
// payload at most MaxPayload; it is copied.
func (j *Journal) Append(kind byte, payload []byte) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil || j.closed {
		return never
	}
	j.last++
	j.buf = appendRecord(j.buf, kind, j.last, j.synced, payload)
	j.open.last = j.last
	return j.last
}

// Last returns the number of the last record appended. Once nothing can be appended any more, waiting for it fails: the
// caller may know of records that were not taken.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil || j.closed {
		return never
	}
	return j.last
}

// Failed is closed when the disk has failed once; nothing is written after that. Err tells why.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Err returns why the journal writes no more; nil while it does.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Wait returns when all records up to a number are on disk; the caller may have to write them. An error says that it is
// unknown whether they are.
func (j *Journal) Wait(lsn uint64) error {
	j.mu.Lock()
	for {
		switch {
		case j.synced >= lsn:
			j.mu.Unlock()
			return nil
		case j.err != nil:
			defer j.mu.Unlock()
			return j.err
		case lsn > j.last:
			j.mu.Unlock()
			return ErrClosed
		case !j.leading:
			j.lead()
			continue
		}
		if b := j.flying; b != nil && b.last >= lsn {
			j.mu.Unlock()
			<-b.done
			j.mu.Lock()
			continue
		}
		b := j.open
		j.mu.Unlock()
		select {
		case <-b.done:
			j.mu.Lock()
		case <-b.lead:
			j.mu.Lock()
			j.lead()
		}
	}
}

// lead writes and syncs what was appended so far. It is called with mu held and returns with mu held.
func (j *Journal) lead() {
	j.leading = true
	j.mu.Unlock()
	runtime.Gosched() // lets those who are about to append come along; a whole round trip of theirs is saved
	j.mu.Lock()
	b, buf := j.open, j.buf
	j.flying, j.open = b, newBatch()
	j.buf, j.spare = j.spare[:0], nil
	if len(buf) == 0 {
		b.last = j.synced
	}
	j.mu.Unlock()
	err := j.write(buf, b.last)
	j.mu.Lock()
	if cap(buf) <= 1<<20 {
		j.spare = buf
	}
	j.flying = nil
	if err != nil {
		j.fail(err)
	} else {
		j.synced = b.last
		err = j.rotate()
	}
	if err == nil && len(j.buf) > 0 {
		j.open.lead <- struct{}{}
	} else {
		j.leading = false
	}
	close(b.done)
}

func (j *Journal) write(buf []byte, last uint64) error {
	if len(buf) == 0 {
		return nil
	}
	n, err := j.file.Write(buf)
	j.size += int64(n)
	if err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	if err := j.sync(j.file); err != nil {
		return fmt.Errorf("sync the log: %w", err)
	}
	return j.mark.set(last)
}

// rotate closes a segment that is large enough and begins the next. Called by the leader, with mu held: appends wait.
func (j *Journal) rotate() error {
	if j.size < j.options.SegmentBytes {
		return nil
	}
	full, size := j.file, j.size
	if err := j.newSegment(); err != nil {
		err = fmt.Errorf("begin a segment: %w", err)
		j.fail(err)
		return err
	}
	_ = full.Close() // synced before
	j.closedBytes += size
	if j.closedBytes >= max(compactSegments*j.options.SegmentBytes, 2*j.snapshotBytes) {
		select {
		case j.due <- struct{}{}:
		default:
		}
	}
	return nil
}

// fail is the end: after a failed fsync nobody knows what is on disk, and trying again would only hide it.
func (j *Journal) fail(err error) {
	if j.err == nil {
		j.err = err
		close(j.failed)
		close(j.open.done)
		j.open = newBatch()
	}
}

// Close writes what was appended, syncs it and gives the directory free. It is idempotent.
func (j *Journal) Close() error {
	j.mu.Lock()
	was, last := j.closed, j.last
	j.closed = true
	j.mu.Unlock()
	if was {
		return nil
	}
	err := j.Wait(last)
	j.compacting.Lock()
	defer j.compacting.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(err, j.file.Close(), j.mark.close(), unlock(j.lock))
}
