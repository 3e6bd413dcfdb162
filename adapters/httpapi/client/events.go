package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// event is one Server-Sent Event.
type event struct {
	name string
	data []byte
}

// maxEvent bounds one event: a chunk of 1 MiB in which every byte is escaped, and its frame.
const maxEvent = 16 << 20

var errEventTooLarge = errors.New("an event is larger than any the API sends")

// eventReader reads Server-Sent Events as the HTML standard frames them. Comments only tell that somebody is there.
type eventReader struct {
	r     *bufio.Reader
	alive func() // called with every line
}

func newEventReader(r io.Reader, alive func()) *eventReader {
	return &eventReader{r: bufio.NewReaderSize(r, 64<<10), alive: alive}
}

// next returns the next event. One that was cut off before its empty line is dropped, as it must be.
func (r *eventReader) next() (event, error) {
	e, some := event{name: "message"}, false
	for {
		line, err := r.line()
		if err != nil {
			return event{}, err
		}
		r.alive()
		if len(line) == 0 {
			if some {
				e.data = bytes.TrimSuffix(e.data, []byte("\n"))
				return e, nil
			}
			e = event{name: "message"}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			e.name = string(value)
		case "data":
			if len(e.data)+len(value) > maxEvent {
				return event{}, errEventTooLarge
			}
			e.data = append(append(e.data, value...), '\n')
			some = true
		}
	}
}

func (r *eventReader) line() ([]byte, error) {
	var whole []byte
	for {
		part, err := r.r.ReadSlice('\n')
		if len(whole)+len(part) > maxEvent {
			return nil, errEventTooLarge
		}
		if err == nil && whole == nil {
			return bytes.TrimRight(part, "\r\n"), nil
		}
		whole = append(whole, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(whole, "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// readSome fills p as far as r goes.
func readSome(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
