package netqueue

import (
	"encoding/binary"
	"time"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/domain"
)

// The limits of what a request may carry, beside the size of its frame.
const (
	maxName        = 128 // queues, ticket ids, job ids, store ids
	maxTopic       = 256
	maxToken       = 1024
	maxReserve     = 1024 // tickets of one RESERVE
	maxPeek        = 1000
	maxLease       = 24 * time.Hour
	maxDelay       = 7 * 24 * time.Hour
	ticketMinBytes = 1 + 2 + 2
)

// helloMagic begins the body of HELLO, so that a stray client of something else is told apart at once.
const helloMagic = "RMNQ"

type hello struct {
	version uint16
	token   string
	name    string // of the client, for the log
}

func appendHello(dst []byte, correlation uint32, h hello) []byte {
	b, start := beginFrame(dst, verbHello, correlation)
	b = append(b, helloMagic...)
	b = binary.BigEndian.AppendUint16(b, h.version)
	b = appendText(b, h.token)
	b = appendText(b, h.name)
	return endFrame(b, start)
}

// parseHello stops after the version when it is another: what follows is then not known.
func parseHello(b []byte) (hello, error) {
	r := body{b: b}
	if string(r.take(len(helloMagic))) != helloMagic {
		return hello{}, errFrameInvalid.Withf("this is not a HELLO of NetQueue")
	}
	h := hello{version: uint16(r.u16())}
	if r.bad {
		return h, r.done(verbHello)
	}
	if h.version != protocolVersion {
		return h, errVersion.Withf("version %d is not spoken here; version %d is", h.version, protocolVersion)
	}
	h.token, h.name = r.text(), r.text()
	return h, r.done(verbHello)
}

var errVersion = &domain.Error{Kind: domain.KindUnprocessable, Code: "version_unsupported", Message: "this version of the protocol is not spoken here"}

type welcome struct {
	version  uint16
	storeID  string
	maxFrame uint32
	idle     time.Duration // the server closes a connection that is silent for so long
}

func appendWelcome(dst []byte, correlation uint32, w welcome) []byte {
	b, start := beginFrame(dst, verbHello|answerBit, correlation)
	b = binary.BigEndian.AppendUint16(b, w.version)
	b = appendText(b, w.storeID)
	b = binary.BigEndian.AppendUint32(b, w.maxFrame)
	b = binary.BigEndian.AppendUint32(b, uint32(w.idle.Milliseconds()))
	return endFrame(b, start)
}

func parseWelcome(b []byte) (welcome, error) {
	r := body{b: b}
	w := welcome{version: uint16(r.u16()), storeID: r.text(), maxFrame: r.u32(), idle: time.Duration(r.u32()) * time.Millisecond}
	return w, r.done(verbHello | answerBit)
}

func appendTicket(dst []byte, t domain.Ticket) []byte {
	dst = append(dst, byte(t.Priority))
	dst = appendText(dst, t.ID)
	return appendText(dst, string(t.Job))
}

// ticket reads a ticket. Both names share one string: a queue holds a million of them.
func (r *body) ticket() domain.Ticket {
	p := r.u8()
	id := r.take(r.u16())
	job := r.take(r.u16())
	both := make([]byte, 0, 2*maxName)
	s := string(append(append(both, id...), job...))
	return domain.Ticket{ID: s[:len(id)], Job: domain.JobID(s[len(id):]), Priority: domain.Priority(p)}
}

func (r *body) tickets(dst []domain.Ticket) []domain.Ticket {
	for range r.count(ticketMinBytes) {
		if t := r.ticket(); !r.bad {
			dst = append(dst, t)
		}
	}
	return dst
}

func appendTickets(dst []byte, tickets []domain.Ticket) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(tickets)))
	for _, t := range tickets {
		dst = appendTicket(dst, t)
	}
	return dst
}

func checkTicket(t domain.Ticket) error {
	switch {
	case t.ID == "":
		return domain.Invalid("ticket", "a ticket has no id")
	case len(t.ID) > maxName || len(t.Job) > maxName:
		return domain.Invalid("ticket", "a ticket's id is %d bytes and its job's %d; at most %d are allowed", len(t.ID), len(t.Job), maxName)
	}
	return t.Priority.Check()
}

func checkTickets(tickets []domain.Ticket) error {
	for _, t := range tickets {
		if err := checkTicket(t); err != nil {
			return err
		}
	}
	return nil
}

func checkQueue(name string) error {
	if name == "" || len(name) > maxName {
		return domain.Invalid("queue", "a queue's name is 1 to %d bytes", maxName)
	}
	return nil
}

func checkTopic(topic string) error {
	if topic == "" || len(topic) > maxTopic {
		return domain.Invalid("topic", "a topic is 1 to %d bytes", maxTopic)
	}
	return nil
}

func checkLease(d time.Duration) error {
	if d <= 0 || d > maxLease {
		return domain.Invalid("lease", "a lease of %s is out of range; give more than 0, at most %s", d, maxLease)
	}
	return nil
}

func checkDelay(d time.Duration) error {
	if d < 0 || d > maxDelay {
		return domain.Invalid("delay", "a delay of %s is out of range; give 0 to %s", d, maxDelay)
	}
	return nil
}

func checkReserve(limit int, lease time.Duration) error {
	if limit < 1 {
		return domain.Invalid("max", "%d tickets cannot be reserved; give at least 1", limit)
	}
	return checkLease(lease)
}

// reservation is the body of RESERVE.
type reservation struct {
	queue string
	limit int
	lease time.Duration
}

func appendReserve(dst []byte, correlation uint32, q reservation) []byte {
	b, start := beginFrame(dst, verbReserve, correlation)
	b = appendText(b, q.queue)
	b = binary.BigEndian.AppendUint16(b, uint16(q.limit))
	b = binary.BigEndian.AppendUint64(b, uint64(q.lease))
	return endFrame(b, start)
}

func parseReserve(b []byte) (reservation, error) {
	r := body{b: b}
	q := reservation{queue: r.text(), limit: r.u16(), lease: time.Duration(r.u64())}
	return q, r.done(verbReserve)
}

func appendDeliveries(dst []byte, correlation uint32, deliveries []broker.Delivery) []byte {
	b, start := beginFrame(dst, verbReserve|answerBit, correlation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(deliveries)))
	for _, d := range deliveries {
		b = appendTicket(b, d.Ticket)
		b = binary.BigEndian.AppendUint64(b, d.Receipt)
		b = binary.BigEndian.AppendUint32(b, uint32(d.Count))
	}
	return endFrame(b, start)
}

func parseDeliveries(b []byte) ([]broker.Delivery, error) {
	r := body{b: b}
	deliveries := make([]broker.Delivery, r.count(ticketMinBytes+8+4))
	for i := range deliveries {
		deliveries[i] = broker.Delivery{Ticket: r.ticket(), Receipt: r.u64(), Count: int(r.u32())}
	}
	return deliveries, r.done(verbReserve | answerBit)
}

// settlement is the body of RELEASE and of EXTEND: a receipt and a delay or a lease.
type settlement struct {
	receipt  uint64
	duration time.Duration
}

func appendSettlement(dst []byte, s settlement) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, s.receipt), uint64(s.duration))
}

func parseSettlement(v verb, b []byte) (settlement, error) {
	r := body{b: b}
	s := settlement{receipt: r.u64(), duration: time.Duration(r.u64())}
	return s, r.done(v)
}

func appendNumbers(dst []byte, numbers []uint64) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(numbers)))
	for _, n := range numbers {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	return dst
}

func (r *body) numbers(dst []uint64) []uint64 {
	for range r.count(8) {
		dst = append(dst, r.u64())
	}
	return dst
}

func appendTexts(dst []byte, texts []string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(texts)))
	for _, t := range texts {
		dst = appendText(dst, t)
	}
	return dst
}

func (r *body) texts() []string {
	texts := make([]string, r.count(2))
	for i := range texts {
		texts[i] = r.text()
	}
	return texts
}
