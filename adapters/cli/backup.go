package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/adapters/cli/screen"
)

func (a *app) backupCommand() *cobra.Command {
	return a.keeper("backup DIR", "Copy the database and the secrets to a new directory",
		`Backup copies what Remora cannot do without to DIR, which it makes: the SQLite database as it is at one moment, checked, and
under DIR/secrets the master key and the tokens. Everything may be running meanwhile. It reads the settings as the services
do, so run it as their user, with their environment, in their working directory.

Whoever has the master key and the database can log in to your servers: keep DIR/secrets apart from the rest. With
PostgreSQL only the secrets are copied, and pg_dump is for the database; see OPERATIONS.md. The queue's directory is not
needed: the queue is filled from the database.`,
		"  remora backup /var/backups/remora/$(date +%F)", func() func(context.Context, string) (string, error) { return a.Backup })
}

func (a *app) restoreCommand() *cobra.Command {
	return a.keeper("restore DIR", "Put a backup's database and secrets in their places",
		`Restore puts what `+"`remora backup`"+` has copied to DIR in the places that the settings name. It overwrites nothing: stop Remora
and move what is left of the old files away first, the ones ending in -wal and -shm too.

Jobs that ran at the time of the backup are looked for on their servers once a worker is up. A command that has run since is
not run again within a day of its end; what was queued in an older backup runs as if nothing had been.`,
		"  remora restore /var/backups/remora/2026-03-04", func() func(context.Context, string) (string, error) { return a.Restore })
}

func (a *app) keeper(use, short, long, example string, do func() func(context.Context, string) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: exactly("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			if do() == nil {
				return errNotPart
			}
			report, err := do()(c.Context(), args[0])
			if report != "" {
				if _, printErr := fmt.Fprint(a.Stdout, screen.Clean(report)); err == nil {
					err = printErr
				}
			}
			return err
		},
	}
}
