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

// condition is that a job runs one of the texts or on one of the servers, looked at on the way.
func (s *searched) condition() *filter {
	f := &filter{}
	switch {
	case s.many:
		f = s.inText()
	case len(s.texts) > 0:
		f.and("{by order}j.text_id {in}", s.d.longs(s.texts))
	}
	if len(s.servers) > 0 {
		f.and("{by order}j.server_id {in}", ids(s.d, s.servers))
	}
	return &filter{terms: []string{"(" + strings.Join(f.terms, " OR ") + ")"}, args: f.args}
}

// part is a statement that finds some of the jobs.
type part struct {
	sql  string
	args []any
}

// parts find the jobs that meet the other conditions too, up to most for each text and server: each reads an index, and no
// job is in two of them. What is known of few texts or servers leads to the jobs, and the rest is looked at there.
func (s *searched) parts(columns string, conditions func(how string) *filter, most int) (parts []part) {
	neither, f := &filter{}, conditions("{by order}")
	switch {
	case s.many:
		in := s.inText()
		neither.and("NOT "+in.terms[0], in.args...)
		in = conditions("").with(in)
		parts = append(parts, part{"SELECT " + columns + " FROM jobs j" + in.where(), in.args})
	case len(s.texts) > 0:
		neither.and("NOT {by order}j.text_id {in}", s.d.longs(s.texts))
		parts = append(parts, s.ofEach("text_id", "bigint", "j.created_at, j.id", s.d.longs(s.texts), columns, f, most))
	}
	if len(s.servers) > 0 {
		by := "j.status, j.reason, j.created_at, j.id"
		parts = append(parts, s.ofEach("server_id", "text", by, ids(s.d, s.servers), columns, f.with(neither), most))
	}
	return parts
}

// ofEach reads the jobs of each value of a column. PostgreSQL is told to take one after the other through the index that has
// this order: it would read all jobs where it thinks that a value has many, and what it thinks of a text is often far off.
func (s *searched) ofEach(column, kind, by string, values any, columns string, f *filter, most int) part {
	if s.d == &sqlite {
		f = (&filter{terms: []string{"j." + column + " {in}"}, args: []any{values}}).with(f)
		return part{"SELECT " + columns + " FROM jobs j" + f.where(), f.args}
	}
	return part{"SELECT j.* FROM unnest(CAST(? AS " + kind + "[])) w (id), LATERAL (SELECT " + columns + " FROM jobs j WHERE j." + column + " = w.id" +
		f.more() + " ORDER BY " + by + " LIMIT " + strconv.Itoa(most) + ") j", append([]any{values}, f.args...)}
}

// inText looks into the job's text itself: a value, so that nobody makes a join of it.
func (s *searched) inText() *filter {
	term, arg := s.d.holds("t.search", s.part)
	return &filter{terms: []string{"(SELECT " + term + " FROM job_texts t WHERE t.id = j.text_id)"}, args: []any{arg}}
}
