package server

import (
	"bufio"
	"net"
	"sync/atomic"
	"time"
)

// records carries the records of TLS. crypto/tls decrypts them in the buffer that it reads them into, and
// leaves the plain text there. So records gives it one record at a time, notes where that went, and clears the
// place when crypto/tls wants the next one, which it does only once it has given away all of the one before.
type records struct {
	net.Conn
	in *bufio.Reader // of what is encrypted

	header [recordHeader]byte
	have   int    // how much of the record's header was given
	left   int    // how much of the rest of the record was not
	record []byte // where the rest went

	begun atomic.Bool // something has come
	hurry atomic.Bool // it is about to be closed: nothing that is written may take long
}

const recordHeader = 5 // type, version and length (RFC 8446, section 5.1)

// readAhead is room for a request as most are.
const readAhead = 2 << 10

func newRecords(raw net.Conn) *records {
	return &records{Conn: raw, in: bufio.NewReaderSize(raw, readAhead)}
}

// Read implements net.Conn.
func (r *records) Read(p []byte) (int, error) {
	if r.have == recordHeader && r.left == 0 {
		r.forget()
		r.have = 0
	}
	if r.have < recordHeader {
		n, err := r.in.Read(p[:min(len(p), recordHeader-r.have)])
		r.have += copy(r.header[r.have:], p[:n])
		r.begun.Store(r.begun.Load() || n > 0)
		if r.have == recordHeader {
			r.left = int(r.header[3])<<8 | int(r.header[4])
		}
		return n, err //nolint:wrapcheck // crypto/tls asks this error what kind it is
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.record = joined(r.record, p[:n])
	return n, err //nolint:wrapcheck // crypto/tls asks this error what kind it is
}

// joined returns the memory of both if q is empty or lies right behind p, else q.
func joined(p, q []byte) []byte {
	switch {
	case len(q) == 0:
		return p
	case follows(p, q):
		return p[:len(p)+len(q)]
	}
	return q
}

// follows says whether q lies right behind p, in the same memory.
func follows(p, q []byte) bool {
	n := len(p)
	return n > 0 && len(q) > 0 && n < cap(p) && &p[:n+1][n] == &q[0]
}

// forget clears what was decrypted of the last record, if that has come whole. It is for the goroutine
// that reads.
func (r *records) forget() {
	if r.left > 0 {
		return
	}
	clear(r.record)
	r.record = nil
}

// discard reads what comes, up to that many bytes.
func (r *records) discard(most int) {
	for most > 0 {
		n, err := r.in.Discard(min(most, readAhead))
		if err != nil {
			return
		}
		most -= n
	}
}

// SetWriteDeadline implements net.Conn.
func (r *records) SetWriteDeadline(t time.Time) error {
	if r.hurry.Load() {
		t = time.Now().Add(farewell)
	}
	return r.Conn.SetWriteDeadline(t) //nolint:wrapcheck // as it would be without this
}
