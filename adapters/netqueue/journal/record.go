package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// The layout of a record, big-endian:
//
//	0   length   u32  of the payload
//	4   kind     u8
//	5   version  u8   recordVersion
//	6   zero     u16
//	8   lsn      u64  the record's number in the log, from 1, without gaps
//	16  synced   u64  the last number that was on disk when this record was written
//	24  crc      u32  CRC-32C of bytes 0 to 23
//	28  payload
//	…   crc      u32  CRC-32C of the payload
const (
	headerBytes   = 28
	trailerBytes  = 4
	recordVersion = 1
	// MaxPayload bounds what one record carries.
	MaxPayload = 2 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	length uint32
	kind   byte
	lsn    uint64
	synced uint64
}

func (h header) size() int64 { return headerBytes + int64(h.length) + trailerBytes }

func appendRecord(dst []byte, kind byte, lsn, synced uint64, payload []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	dst = append(dst, kind, recordVersion, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, lsn)
	dst = binary.BigEndian.AppendUint64(dst, synced)
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	dst = append(dst, payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(payload, castagnoli))
}

// parseHeader reads a header from the start of b; what says why it is none.
func parseHeader(b []byte) (h header, what string) {
	if len(b) < headerBytes {
		return h, "a record's header is cut off"
	}
	if crc32.Checksum(b[:headerBytes-4], castagnoli) != binary.BigEndian.Uint32(b[headerBytes-4:]) {
		return h, "a record's header has a wrong checksum"
	}
	h = header{length: binary.BigEndian.Uint32(b), kind: b[4], lsn: binary.BigEndian.Uint64(b[8:]), synced: binary.BigEndian.Uint64(b[16:])}
	switch {
	case b[5] != recordVersion:
		return h, "a record is of an unknown version"
	case h.length > MaxPayload:
		return h, "a record says that it is larger than any can be"
	}
	return h, ""
}

// parseRecord reads the record at the start of b.
func parseRecord(b []byte) (h header, payload []byte, what string) {
	h, what = parseHeader(b)
	if what != "" {
		return h, nil, what
	}
	if int64(len(b)) < h.size() {
		return h, nil, "a record is cut off"
	}
	payload = b[headerBytes : headerBytes+h.length]
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(b[headerBytes+h.length:]) {
		return h, nil, "a record's content has a wrong checksum"
	}
	return h, payload, ""
}

// laterRecords returns how many headers of records with a number above lsn stand anywhere in b, and where the first does.
// It looks at every byte: behind damage nobody knows where a record begins.
func laterRecords(b []byte, lsn uint64) (n int, first int64) {
	for i := 0; i+headerBytes <= len(b); {
		// The number is looked at first: it rules out nearly every place without a checksum.
		at := binary.BigEndian.Uint64(b[i+8:])
		if at <= lsn || at-lsn > uint64(len(b)) {
			i++
			continue
		}
		if _, what := parseHeader(b[i:]); what != "" {
			i++
			continue
		}
		if n++; n == 1 {
			first = int64(i)
		}
		i += headerBytes
	}
	return n, first
}

// The head of a file: magic, then the number that names it, then the CRC-32C of both.
const (
	fileHeadBytes = 8 + 8 + 4
	segmentMagic  = "RemoraL1"
	snapshotMagic = "RemoraS1"
)

func fileHead(magic string, number uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte(magic), number)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func checkFileHead(b []byte, magic string, number uint64) string {
	switch {
	case len(b) < fileHeadBytes:
		return "the file is shorter than its head"
	case string(b[:fileHeadBytes]) != string(fileHead(magic, number)):
		return "the file's head is not the one its name asks for"
	}
	return ""
}
