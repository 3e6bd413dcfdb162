package journal

import (
	"errors"
	"os"
	"syscall"
)

// syncData brings a file's content and size to disk, without its times.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
