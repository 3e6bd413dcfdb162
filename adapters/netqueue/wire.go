package netqueue

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/heysubinoy/remora/domain"
)

// protocolVersion is the one version that both ends speak.
const protocolVersion = 1

// The sizes of frames. A frame is its length (u32, of what follows), a verb (u8), a correlation id (u32) and a body.
const (
	maxFrame         = 1 << 20 // length field of any frame
	maxFrameUnknown  = 4 << 10 // length field until the HELLO was accepted
	frameLengthBytes = 4
	frameHeadBytes   = 1 + 4
)

// verb says what a frame is. An answer has the verb of its request with answerBit set, or is verbError.
type verb byte

const (
	verbHello       verb = 0x01
	verbPut         verb = 0x02
	verbWithdraw    verb = 0x03
	verbReserve     verb = 0x04
	verbCancel      verb = 0x05
	verbAck         verb = 0x06
	verbRelease     verb = 0x07
	verbExtend      verb = 0x08
	verbPublish     verb = 0x09
	verbSubscribe   verb = 0x0a
	verbUnsubscribe verb = 0x0b
	verbStats       verb = 0x0c
	verbPeek        verb = 0x0d
	verbPing        verb = 0x0e
	verbKick        verb = 0x0f

	verbSignal verb = 0x40 // from the server, unasked
	answerBit  verb = 0x80
	verbError  verb = 0xff
)

var verbNames = map[verb]string{
	verbHello: "HELLO", verbPut: "PUT", verbWithdraw: "WITHDRAW", verbReserve: "RESERVE", verbCancel: "CANCEL", verbAck: "ACK",
	verbRelease: "RELEASE", verbExtend: "EXTEND", verbPublish: "PUBLISH", verbSubscribe: "SUBSCRIBE", verbUnsubscribe: "UNSUBSCRIBE",
	verbStats: "STATS", verbPeek: "PEEK", verbPing: "PING", verbKick: "KICK", verbSignal: "SIGNAL", verbError: "ERROR",
}

// String returns the verb's name, with "-OK" for an answer.
func (v verb) String() string {
	if name, ok := verbNames[v]; ok {
		return name
	}
	if name, ok := verbNames[v&^answerBit]; ok && v&answerBit != 0 {
		return name + "-OK"
	}
	return fmt.Sprintf("verb 0x%02x", byte(v))
}

// frame is a frame as it came; body is only valid until the next one is read.
type frame struct {
	verb        verb
	correlation uint32
	body        []byte
}

var (
	errFrameTooLarge = &domain.Error{Kind: domain.KindTooLarge, Code: "frame_too_large", Message: "the frame is larger than is allowed"}
	errFrameInvalid  = &domain.Error{Kind: domain.KindInvalid, Code: "frame_invalid", Message: "the frame is not what its verb asks for"}
	errVerbUnknown   = &domain.Error{Kind: domain.KindInvalid, Code: "verb_unknown", Message: "the verb is not known"}
)

// frames reads frames from a stream. Memory is bounded by the limit, and a frame that fits the buffer is not copied.
type frames struct {
	r     *bufio.Reader
	limit uint32
	large []byte
	skip  int // of the buffer, taken by the last frame
}

func newFrames(r io.Reader, limit uint32) *frames {
	return &frames{r: bufio.NewReaderSize(r, 32<<10), limit: limit}
}

// next reads a frame. Fails with errFrameTooLarge and errFrameInvalid, after which the stream is of no use, io.EOF at a
// frame's border, and what the stream fails with.
func (f *frames) next() (frame, error) {
	f.release()
	head, err := f.r.Peek(frameLengthBytes)
	if err != nil {
		if len(head) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	length := binary.BigEndian.Uint32(head)
	if length > f.limit {
		return frame{}, errFrameTooLarge.Withf("a frame of %d bytes is larger than the %d that are allowed here", length, f.limit)
	}
	if length < frameHeadBytes {
		return frame{}, errFrameInvalid.Withf("a frame of %d bytes has no room for a verb and a correlation id", length)
	}
	var b []byte
	if total := int(length) + frameLengthBytes; total <= f.r.Size() {
		if b, err = f.r.Peek(total); err == nil {
			f.skip = total
			b = b[frameLengthBytes:]
		}
	} else {
		_, _ = f.r.Discard(frameLengthBytes)
		f.large = append(f.large[:0], make([]byte, length)...)
		_, err = io.ReadFull(f.r, f.large)
		b = f.large
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	return frame{verb: verb(b[0]), correlation: binary.BigEndian.Uint32(b[1:]), body: b[frameHeadBytes:]}, nil
}

// release gives up the last frame.
func (f *frames) release() {
	if f.skip > 0 {
		_, _ = f.r.Discard(f.skip)
		f.skip = 0
	}
	if cap(f.large) > 0 {
		f.large = nil
	}
}

// ready reports whether next would return without waiting for the stream.
func (f *frames) ready() bool {
	f.release()
	if f.r.Buffered() < frameLengthBytes {
		return false
	}
	head, _ := f.r.Peek(frameLengthBytes)
	length := binary.BigEndian.Uint32(head)
	return length > f.limit || f.r.Buffered() >= frameLengthBytes+int(length)
}

// beginFrame appends a frame's head; endFrame, given what beginFrame returned, sets its length.
func beginFrame(dst []byte, v verb, correlation uint32) (b []byte, start int) {
	start = len(dst)
	dst = append(dst, 0, 0, 0, 0, byte(v))
	return binary.BigEndian.AppendUint32(dst, correlation), start
}

func endFrame(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-frameLengthBytes))
	return b
}

func appendFrame(dst []byte, v verb, correlation uint32, body []byte) []byte {
	b, start := beginFrame(dst, v, correlation)
	return endFrame(append(b, body...), start)
}

// appendText appends a length (u16) and the text; longer text is cut, which only ever happens to messages.
func appendText(dst []byte, s string) []byte {
	s = s[:min(len(s), 1<<16-1)]
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

// body reads a frame's body. The first thing that is missing makes it bad for good; done tells.
type body struct {
	b   []byte
	bad bool
}

func (r *body) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *body) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *body) u16() int {
	if b := r.take(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *body) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *body) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *body) text() string { return string(r.take(r.u16())) }

// count reads how many items of at least size bytes follow; a count that cannot be true is bad before anything is made
// for it.
func (r *body) count(size int) int {
	n := r.u16()
	if n*size > len(r.b) {
		r.b, r.bad = nil, true
		return 0
	}
	return n
}

// done fails with errFrameInvalid when something was missing or is left over.
func (r *body) done(v verb) error {
	if r.bad || len(r.b) > 0 {
		return errFrameInvalid.Withf("the body of %s is %s than it has to be", v, map[bool]string{true: "shorter", false: "longer"}[r.bad])
	}
	return nil
}

// clean makes text from the wire fit for a log line.
func clean(s string) string {
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '?'
		}
		return r
	}, s), "?")
}
