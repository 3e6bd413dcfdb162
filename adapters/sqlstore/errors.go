package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/mattn/go-sqlite3"

	"github.com/heysubinoy/remora/domain"
)

// fault is what a driver's error means to this package.
type fault int

const (
	faultUnknown   fault = iota
	faultAway            // the database cannot be reached or cannot work now
	faultSevered         // the connection is gone; another may work
	faultBusy            // another process is writing to SQLite
	faultRace            // a deadlock or its like: the transaction was rolled back and may be repeated
	faultExists          // the row's own key is taken
	faultTaken           // another unique value is taken
	faultReference       // what the row refers to is not there
)

func postgresFault(err error) fault {
	if e := pq.As(err); e != nil {
		switch e.Code {
		case pqerror.UniqueViolation:
			if strings.HasSuffix(e.Constraint, "_pkey") {
				return faultExists
			}
			return faultTaken
		case pqerror.ForeignKeyViolation:
			if e.Constraint == "jobs_text_fkey" {
				return faultRace // the last job of a text was deleted while another with this text came
			}
			return faultReference
		case pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected:
			return faultRace
		case pqerror.QueryCanceled, pqerror.LockNotAvailable, pqerror.ReadOnlySQLTransaction, pqerror.InvalidCatalogName:
			return faultAway
		case pqerror.AdminShutdown, pqerror.CrashShutdown, pqerror.IdleInTransactionSessionTimeout, pqerror.IdleSessionTimeout:
			return faultSevered
		}
		switch string(e.Code)[:2] {
		case "08":
			return faultSevered
		case "28", "53", "57", "58": // not let in, no resources, stopped or starting, the system beneath
			return faultAway
		}
		return faultUnknown
	}
	op, ok := errors.AsType[*net.OpError](err)
	if ok && op.Op == "dial" {
		return faultAway
	}
	if ok && !op.Timeout() || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, net.ErrClosed) {
		return faultSevered
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return faultAway
	}
	return faultUnknown
}

func sqliteFault(err error) fault {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return faultUnknown
	}
	switch e.ExtendedCode {
	case sqlite3.ErrConstraintPrimaryKey:
		return faultExists
	case sqlite3.ErrConstraintUnique:
		return faultTaken
	case sqlite3.ErrConstraintForeignKey:
		return faultReference
	}
	switch e.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return faultBusy
	case sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrNomem,
		sqlite3.ErrProtocol, sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return faultAway
	}
	return faultUnknown
}

// done returns the error of a context that is done, nil while it is not.
func done(ctx context.Context) error {
	switch {
	case ctx.Err() == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return domain.ErrTimeout.Because(context.Cause(ctx))
	default:
		return domain.ErrCanceled.Because(context.Cause(ctx))
	}
}

// translate makes a domain error of what came out of a read or a transaction. It is the only place that does.
func (s *Store) translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*domain.Error](err); ok {
		return err
	}
	if ended := done(ctx); ended != nil {
		return ended
	}
	switch s.d.fault(err) {
	case faultAway, faultSevered, faultBusy, faultRace:
		return domain.ErrStorageUnavailable.Because(err)
	}
	return domain.Internal("the database answered with an error", err)
}
