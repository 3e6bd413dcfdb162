package domain

import (
	"fmt"
	"strings"
)

// MaxJumps is how many jump servers a way has at most.
const MaxJumps = 2

func jumpInvalid(code, message string) *Error {
	return &Error{Kind: KindInvalid, Code: code, Message: message, Details: map[string]any{"field": "proxy_jump"}}
}

// CheckJump looks at the way to a server. jumpOf returns what a server is reached through, and whether there is such a
// server; below is how many servers deep others are reached through this one. Fails with ErrJumpNotFound, ErrJumpLoop,
// ErrJumpTooLong.
func (s *Server) CheckJump(jumpOf func(ServerID) (jump ServerID, known bool, err error), below int) error {
	above := 0
	for at := s.ProxyJump; at != ""; {
		if at == s.ID {
			return ErrJumpLoop
		}
		next, known, err := jumpOf(at)
		switch {
		case err != nil:
			return err
		case !known:
			return ErrJumpNotFound
		}
		if above++; above > MaxJumps { // a loop through s is shorter than this, for what is stored is not longer
			return ErrJumpTooLong
		}
		at = next
	}
	if above+below > MaxJumps {
		return ErrJumpTooLong
	}
	return nil
}

// ServerIsJump is ErrServerIsJump with the servers that are reached through it.
func ServerIsJump(behind []string) *Error {
	return ErrServerIsJump.Withf("the server cannot be deleted: it is the jump server of %s; give them another way first", some(behind)).
		WithDetails(map[string]any{"used_by": behind})
}

// some names a few of a list of names.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:most], ", "), len(names)-most)
}
