package journal

import "os"

// BreakFile makes every later write of the log fail.
func (j *Journal) BreakFile() error { return j.file.Close() }

// OnSync has every sync of the log go through f, which is given the real one. Nothing may be appended meanwhile.
func (j *Journal) OnSync(f func(sync func() error) error) {
	next := j.sync
	j.sync = func(file *os.File) error { return f(func() error { return next(file) }) }
}
