package sqlstore

import (
	"strconv"
	"strings"

	"github.com/heysubinoy/remora/domain"
)

// searched is what a search has found: the texts that hold the words, and the servers whose names do.
type searched struct {
	d       *dialect
	part    string
	texts   []int64
	many    bool // more texts than jobs are counted
	servers []domain.ServerID
}

// lookFor finds texts and servers.
func lookFor(c *conn, search string, most int) (*searched, error) {
	s := &searched{d: c.d, part: folded(text(search))}
	term, arg := c.d.holds("search", s.part)
	if err := c.all(&s.texts, "SELECT id FROM job_texts WHERE "+term+" LIMIT "+strconv.Itoa(most+1), arg); err != nil {
		return nil, err
	}
	if s.many = len(s.texts) > most; s.many {
		s.texts = nil
	}
	return s, c.all(&s.servers, "SELECT id FROM servers WHERE {position}(name_folded, ?) > 0", s.part)
}

func (s *searched) none() bool { return len(s.texts) == 0 && !s.many && len(s.servers) == 0 }

// condition is that a job runs one of the texts or on one of the servers.
func (s *searched) condition(how string) *filter {
	any := &filter{}
	switch {
	case s.many:
		term, arg := s.d.holds("t.search", s.part)
		any.and("(SELECT "+term+" FROM job_texts t WHERE t.id = j.text_id)", arg) // a value, so that nobody makes a join of it
	case len(s.texts) > 0:
		any.and(how+"j.text_id {in}", s.d.longs(s.texts))
	}
	if len(s.servers) > 0 {
		any.and(how+"j.server_id {in}", ids(s.d, s.servers))
	}
	if len(any.terms) == 0 {
		any.and("1 = 0")
	}
	return &filter{terms: []string{"(" + strings.Join(any.terms, " OR ") + ")"}, args: any.args}
}
