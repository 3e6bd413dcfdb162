package journal

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The files of a directory.
const (
	lockName       = "lock"     // flock: one broker, or one repair, at a time
	storeName      = "store_id" // the storage's identity; made last, so that a directory without it was never answered from
	markName       = "synced"   // the last number that was on disk when somebody was told so
	segmentPrefix  = "segment-" // segment-<first number>.log
	segmentSuffix  = ".log"
	snapshotPrefix = "snapshot-" // snapshot-<last number it contains>.snap
	snapshotSuffix = ".snap"
	temporary      = ".tmp"
)

// ErrLocked says that another process uses the directory.
var ErrLocked = errors.New("another broker or a repair uses this directory")

func numbered(prefix string, n uint64, suffix string) string {
	return fmt.Sprintf("%s%020d%s", prefix, n, suffix)
}

// numbers returns the numbers of the files of one sort, smallest first.
func numbers(dir, prefix, suffix string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []uint64
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok {
			continue
		}
		if name, ok = strings.CutSuffix(name, suffix); !ok {
			continue
		}
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found, nil
}

// removeTemporary removes what an ended process left half written.
func removeTemporary(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "*"+temporary))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// writeFile makes a file that is there whole or not at all, whatever happens meanwhile.
func writeFile(dir, name string, content []byte) error {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return publish(dir, name)
}

// publish gives a written and synced temporary file its name.
func publish(dir, name string) error {
	path := filepath.Join(dir, name)
	if err := os.Rename(path+temporary, path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// loadStoreID returns the storage's identity, or "" where there is none.
func loadStoreID(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, storeName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

func makeStoreID(dir string) (string, error) {
	id := make([]byte, 16)
	rand.Read(id) // never fails
	text := hex.EncodeToString(id)
	return text, writeFile(dir, storeName, []byte(text+"\n"))
}

// mark keeps, in a file that is never synced while it runs, the last number that is on disk. A process that is killed
// leaves it exact; a machine that loses power may leave an older one. Either way what it says was on disk, so a log that
// ends before it, or is damaged up to it, has lost what somebody was told is safe.
type mark struct{ f *os.File }

const markBytes = 12

func loadMark(dir string) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(dir, markName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if len(b) != markBytes || crc32.Checksum(b[:8], castagnoli) != binary.BigEndian.Uint32(b[8:]) {
		return 0, nil // it knows nothing: it says less than it could, and nothing wrong
	}
	return binary.BigEndian.Uint64(b), nil
}

func openMark(dir string) (*mark, error) {
	f, err := os.OpenFile(filepath.Join(dir, markName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &mark{f}, nil
}

func (m *mark) set(lsn uint64) error {
	var b [markBytes]byte
	binary.BigEndian.PutUint64(b[:], lsn)
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	_, err := m.f.WriteAt(b[:], 0)
	return err
}

func (m *mark) close() error { return errors.Join(m.f.Sync(), m.f.Close()) }
