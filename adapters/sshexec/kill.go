package sshexec

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Kill implements ports.Executor.
func (e *Executor) Kill(ctx context.Context, t ports.Target, id domain.AttemptID, grace time.Duration) (domain.Receipt, error) {
	if err := checkID(id); err != nil {
		return domain.Receipt{}, err
	}
	began := time.Now()
	hundredths := max(0, grace.Milliseconds()/10)
	lines, err := e.ask(ctx, t, killText, "killed", id.String(), itoa(hundredths), killAwkText)
	if err != nil {
		return domain.Receipt{}, err
	}
	r := domain.Receipt{Took: time.Since(began)}
	way, count, _ := strings.Cut(lines[0], " ")
	r.Way = way
	r.Ended, _ = strconv.Atoi(count)
	whole, left := false, 0
	for _, line := range lines[1:] {
		if line == "end" {
			whole = true
			break
		}
		if rest, ok := strings.CutPrefix(line, "left "); ok {
			if left++; left <= maxLeft {
				r.Left = append(r.Left, remaining(rest))
			}
		}
	}
	if left > maxLeft {
		r.Left = append(r.Left, domain.Remaining{Command: fmt.Sprintf("and %d more", left-maxLeft)})
	}
	r.Confirmed = whole && left == 0
	return r, nil
}

// Limits of what a receipt says is left: it goes with the job wherever the job goes.
const (
	maxLeft        = 50
	maxLeftCommand = 200
)

func remaining(line string) domain.Remaining {
	pid, command, _ := strings.Cut(line, " ")
	n, _ := strconv.Atoi(pid)
	command = strings.TrimSpace(command)
	return domain.Remaining{PID: n, Command: strings.ToValidUTF8(command[:min(len(command), maxLeftCommand)], "?")}
}

func killError(err error) error {
	if l, ok := errors.AsType[*loginError](err); ok {
		f := l.failure
		return &f
	}
	return poolError(err)
}

// signals are the names of Linux' signals by number.
var signals = []string{
	1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 10: "USR1", 11: "SEGV", 12: "USR2",
	13: "PIPE", 14: "ALRM", 15: "TERM", 16: "STKFLT", 17: "CHLD", 18: "CONT", 19: "STOP", 20: "TSTP", 21: "TTIN", 22: "TTOU", 23: "URG",
	24: "XCPU", 25: "XFSZ", 26: "VTALRM", 27: "PROF", 28: "WINCH", 29: "IO", 30: "PWR", 31: "SYS",
}

func signalName(n int) string {
	if n > 0 && n < len(signals) {
		return signals[n]
	}
	return strconv.Itoa(n)
}

func signalNumber(name string) int {
	for n, s := range signals {
		if n > 0 && s == name {
			return n
		}
	}
	return 0
}
