package journal

// BreakFile makes every later write of the log fail.
func (j *Journal) BreakFile() error { return j.file.Close() }
