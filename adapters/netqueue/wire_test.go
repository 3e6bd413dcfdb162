package netqueue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/domain"
)

func TestErrors_EveryKindCrossesTheWire(t *testing.T) {
	t.Parallel()
	require.Len(t, kinds, len(domain.Kinds()))
	require.Len(t, kindOf, len(kinds), "two kinds share a number")
	for _, kind := range domain.Kinds() {
		sent := &domain.Error{Kind: kind, Code: "some_problem", Message: "what happened", Err: errors.New("the cause stays here")}
		b := appendError(nil, 7, sent)
		require.NotContains(t, string(b), "the cause")
		got := parseError(b[frameLengthBytes+frameHeadBytes:])
		require.Equal(t, kind, domain.KindOf(got), kind)
		if kind == domain.KindInternal {
			require.NotContains(t, got.Error(), "what happened", "the text of an internal error is for the log")
			continue
		}
		require.ErrorIs(t, got, sent)
		require.Equal(t, "what happened", got.Error())
	}
	require.Equal(t, domain.KindInternal, domain.KindOf(parseError([]byte{200, 0, 1, 'x', 0, 0})))
	require.ErrorIs(t, parseError([]byte{1}), errFrameInvalid)
}

func TestErrors_LongTextIsCut(t *testing.T) {
	t.Parallel()
	b := appendError(nil, 1, domain.ErrQueueFull.Withf("%s", strings.Repeat("x", 100_000)))
	require.ErrorIs(t, parseError(b[frameLengthBytes+frameHeadBytes:]), domain.ErrQueueFull)
}

// TestFrames_AnyPieces reads the same frames however the stream is cut.
func TestFrames_AnyPieces(t *testing.T) {
	t.Parallel()
	var stream []byte
	sizes := []int{0, 1, 100, 32 << 10, 32<<10 - frameLengthBytes - frameHeadBytes, maxFrame - frameHeadBytes, 3}
	for i, n := range sizes {
		stream = appendFrame(stream, verb(i), uint32(i), bytes.Repeat([]byte{byte(i)}, n))
	}
	for _, r := range []io.Reader{bytes.NewReader(stream), iotest.HalfReader(bytes.NewReader(stream)), iotest.OneByteReader(bytes.NewReader(stream))} {
		in := newFrames(r, maxFrame)
		for i, n := range sizes {
			f, err := in.next()
			require.NoError(t, err)
			require.Equal(t, verb(i), f.verb)
			require.Equal(t, uint32(i), f.correlation)
			require.Equal(t, bytes.Repeat([]byte{byte(i)}, n), append([]byte{}, f.body...))
		}
		_, err := in.next()
		require.ErrorIs(t, err, io.EOF)
	}
	for cut := 1; cut < 9; cut++ {
		_, err := newFrames(bytes.NewReader(stream[:cut]), maxFrame).next()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut after %d bytes", cut)
	}
}

func TestVerb_Names(t *testing.T) {
	t.Parallel()
	require.Equal(t, "PUT", verbPut.String())
	require.Equal(t, "PUT-OK", (verbPut | answerBit).String())
	require.Equal(t, "ERROR", verbError.String())
	require.Equal(t, "verb 0x3f", verb(0x3f).String())
}

func seeds() [][]byte {
	ticket := domain.Ticket{ID: "id", Job: "job", Priority: 7}
	var b []byte
	b = appendHello(b, 1, hello{version: protocolVersion, token: "token", name: "name"})
	b = appendFrame(b, verbPut, 2, appendTickets(appendText(nil, "jobs"), []domain.Ticket{ticket, ticket}))
	b = appendReserve(b, 3, reservation{"jobs", 10, time.Minute})
	return [][]byte{
		{}, {0, 0, 0, 5, 1, 0, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 0}, b, b[:len(b)-1],
		appendDeliveries(nil, 3, []broker.Delivery{{Ticket: ticket, Receipt: 9, Count: 1}}),
		appendWelcome(nil, 1, welcome{protocolVersion, "store", maxFrame, time.Minute}),
		appendError(nil, 4, domain.ErrQueueFull), appendFrame(nil, verbAck, 5, appendNumbers(nil, []uint64{1, 2})),
		appendFrame(nil, verbWithdraw, 6, appendTexts(appendText(nil, "jobs"), []string{"a", "b"})),
		appendFrame(nil, verbRelease, 7, appendSettlement(nil, settlement{1, 2})),
		appendFrame(nil, verbStats|answerBit, 8, Stats{Waiting: 1}.append(nil)),
	}
}

// FuzzFrames feeds the decoder anything: it never panics, never takes more than it was sent, and what it can read is what
// it would have written.
func FuzzFrames(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := newFrames(bytes.NewReader(stream), maxFrame)
		var again []byte
		for {
			ready := in.ready()
			frame, err := in.next()
			if err != nil {
				require.False(t, ready && !errors.Is(err, errFrameTooLarge) && !errors.Is(err, errFrameInvalid), "ready, and then %v", err)
				break
			}
			again = appendFrame(again, frame.verb, frame.correlation, frame.body)
			roundTrip(t, frame)
		}
		require.True(t, bytes.HasPrefix(stream, again))
	})
}

// roundTrip parses a body as its verb asks for and, where it can be read, writes it again.
func roundTrip(t *testing.T, f frame) {
	var again []byte
	var err error
	r := body{b: f.body}
	switch f.verb {
	case verbHello:
		var h hello
		if h, err = parseHello(f.body); err == nil {
			again = appendHello(nil, f.correlation, h)
		}
	case verbHello | answerBit:
		var w welcome
		if w, err = parseWelcome(f.body); err == nil {
			again = appendWelcome(nil, f.correlation, w)
		}
	case verbPut:
		again = appendFrame(nil, f.verb, f.correlation, appendTickets(appendText(nil, r.text()), r.tickets(nil)))
		err = r.done(f.verb)
	case verbWithdraw:
		again = appendFrame(nil, f.verb, f.correlation, appendTexts(appendText(nil, r.text()), r.texts()))
		err = r.done(f.verb)
	case verbAck:
		again = appendFrame(nil, f.verb, f.correlation, appendNumbers(nil, r.numbers(nil)))
		err = r.done(f.verb)
	case verbReserve:
		var q reservation
		if q, err = parseReserve(f.body); err == nil {
			again = appendReserve(nil, f.correlation, q)
		}
	case verbReserve | answerBit:
		var d []broker.Delivery
		if d, err = parseDeliveries(f.body); err == nil {
			again = appendDeliveries(nil, f.correlation, d)
		}
	case verbRelease, verbExtend:
		var s settlement
		if s, err = parseSettlement(f.verb, f.body); err == nil {
			again = appendFrame(nil, f.verb, f.correlation, appendSettlement(nil, s))
		}
	case verbStats | answerBit:
		var s Stats
		if s, err = parseStats(f.body); err == nil {
			again = appendFrame(nil, f.verb, f.correlation, s.append(nil))
		}
	case verbError:
		require.Error(t, parseError(f.body))
		return
	default:
		return
	}
	if err != nil {
		require.True(t, errors.Is(err, errFrameInvalid) || errors.Is(err, errVersion), err)
		return
	}
	require.Equal(t, binary.BigEndian.Uint32(again), uint32(len(f.body)+frameHeadBytes))
	require.Equal(t, f.body, again[frameLengthBytes+frameHeadBytes:])
}

// FuzzImage feeds records of the log anything.
func FuzzImage(f *testing.F) {
	ticket := broker.Placed{Ticket: domain.Ticket{ID: "id", Job: "job", Priority: 7}, Sequence: 3, At: time.Unix(0, 5)}
	f.Add(byte(recordPlaced), appendPlaced(nil, "jobs", []broker.Placed{ticket}))
	f.Add(byte(recordRemoved), appendRemoved(nil, []uint64{3}))
	f.Add(byte(recordNext), binary.BigEndian.AppendUint64(nil, 9))
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		m := newImage()
		if m.Apply(kind, payload) != nil {
			return
		}
		copied := newImage()
		require.NoError(t, m.Save(copied.Apply))
		require.Equal(t, m.last, copied.last)
		require.Equal(t, m.tickets, copied.tickets)
	})
}
