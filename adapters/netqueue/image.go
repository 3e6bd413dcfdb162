package netqueue

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/adapters/netqueue/journal"
)

// The kinds of records in the log.
const (
	recordPlaced  = 1 // tickets of one queue that were put
	recordRemoved = 2 // sequences of tickets that were acknowledged or withdrawn
	recordNext    = 3 // in snapshots: the last sequence given
)

func appendPlaced(dst []byte, queue string, placed []broker.Placed) []byte {
	dst = appendText(dst, queue)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(placed)))
	for _, p := range placed {
		dst = binary.BigEndian.AppendUint64(dst, p.Sequence)
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.At.UnixNano()))
		dst = appendTicket(dst, p.Ticket)
	}
	return dst
}

func appendRemoved(dst []byte, sequences []uint64) []byte {
	return appendNumbers(dst, sequences)
}

// image is what the log adds up to: the tickets that are in the queue. It implements journal.State.
type image struct {
	last    uint64 // sequence
	names   map[string]string
	tickets map[uint64]imaged
}

type imaged struct {
	queue  string
	placed broker.Placed
}

var _ journal.State = (*image)(nil)

func newImage() *image {
	return &image{names: make(map[string]string), tickets: make(map[uint64]imaged)}
}

// Apply implements journal.State.
func (m *image) Apply(kind byte, payload []byte) error {
	r := body{b: payload}
	switch kind {
	case recordPlaced:
		m.place(&r)
	case recordRemoved:
		for range r.count(8) {
			s := r.u64()
			if _, ok := m.tickets[s]; !ok {
				return fmt.Errorf("it removes ticket %d, which is not there", s)
			}
			delete(m.tickets, s)
		}
	case recordNext:
		m.last = max(m.last, r.u64())
	default:
		return fmt.Errorf("its kind is %d", kind)
	}
	if r.bad || len(r.b) > 0 {
		return errors.New("its length does not fit its kind")
	}
	return nil
}

func (m *image) place(r *body) {
	queue := r.text()
	if known, ok := m.names[queue]; ok {
		queue = known // one string for all of its tickets
	}
	m.names[queue] = queue
	for range r.count(8 + 8 + ticketMinBytes) {
		p := broker.Placed{Sequence: r.u64(), At: time.Unix(0, int64(r.u64())).UTC(), Ticket: r.ticket()}
		if r.bad {
			return
		}
		m.tickets[p.Sequence] = imaged{queue, p}
		m.last = max(m.last, p.Sequence)
	}
}

func (m *image) sorted() []imaged {
	all := make([]imaged, 0, len(m.tickets))
	for _, t := range m.tickets {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b imaged) int { return cmp.Compare(a.placed.Sequence, b.placed.Sequence) })
	return all
}

// Save implements journal.State.
func (m *image) Save(emit func(kind byte, payload []byte) error) error {
	const atOnce = 1000 // 1000 of the largest tickets fit a record seven times
	if err := emit(recordNext, binary.BigEndian.AppendUint64(nil, m.last)); err != nil {
		return err
	}
	var payload []byte
	var run []broker.Placed
	queue := ""
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		payload = appendPlaced(payload[:0], queue, run)
		run = run[:0]
		return emit(recordPlaced, payload)
	}
	for _, t := range m.sorted() {
		if t.queue != queue || len(run) == atOnce {
			if err := flush(); err != nil {
				return err
			}
			queue = t.queue
		}
		run = append(run, t.placed)
	}
	return flush()
}

// restore puts the tickets into an empty broker.
func (m *image) restore(b *broker.Broker) error {
	for _, t := range m.sorted() {
		if !b.Restore(t.queue, t.placed) {
			return fmt.Errorf("the log holds ticket %q of queue %q twice", t.placed.Ticket.ID, t.queue)
		}
	}
	b.Resume(m.last)
	return nil
}
