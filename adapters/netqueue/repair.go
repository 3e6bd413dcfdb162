package netqueue

import "github.com/heysubinoy/remora/adapters/netqueue/journal"

// Repair makes a log that Open refuses with ErrQueueDamaged one that it takes: what stands from the damage on is moved
// aside, and the store gets another identity, so that the jobs that waited are offered again. The report says what was
// found and dropped; without damage nothing is changed. Fails with ErrQueueInUse or the system's error.
func Repair(dir string) (journal.Report, error) {
	report, err := journal.Repair(dir, newImage())
	return report, inUse(dir, err)
}
