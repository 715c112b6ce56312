package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// security is how connections are secured.
type security struct {
	config *tls.Config
	limit  time.Duration // for each piece of the handshake to be written
	log    *slog.Logger
	plain  func() []byte // the whole answer to a request that came without TLS
}

// over returns the connection with TLS on it.
func (y *security) over(raw net.Conn) *secured {
	r := newRecords(raw)
	return &secured{Conn: raw, tls: tls.Server(r, y.config), records: r, by: y}
}

// secured is a connection with TLS on it. The first Read does the handshake: so it is bounded by the time
// for a request's header, holds up nobody else, and ends when the connection is closed. To net/http it is
// a plain connection, and what net/http reads is under our eyes.
//
// After the handshake the client speaks the protocol that was agreed on, and no other.
type secured struct {
	net.Conn // the plain one
	tls      *tls.Conn
	records  *records
	by       *security

	state atomic.Pointer[agreed] // nil until the handshake is done

	reading sync.Mutex // held by Read, and guards the rest
	seen    int        // how much of what the client began with was looked at
	over    bool       // nothing more is read
}

// agreed is what came of a handshake, and when.
type agreed struct {
	tls.ConnectionState
	at time.Time
}

// What the client of HTTP/2 begins with (RFC 9113, section 3.4), and its name in TLS.
const (
	preface       = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	protocolHTTP2 = "h2"
)

// Read implements net.Conn.
func (s *secured) Read(p []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.over = s.over || s.state.Load() == nil && !s.shake(); s.over {
		return 0, io.EOF // which net/http does not answer
	}
	n, err := s.tls.Read(p)
	if n < len(p) {
		s.records.forget() // all of the record was taken
	}
	if s.over = !s.agrees(p[:n]); s.over {
		clear(p[:n])
		s.by.log.Debug("connection closed: the client does not speak the protocol it chose", "protocol", s.state.Load().NegotiatedProtocol)
		return 0, io.EOF
	}
	return n, err //nolint:wrapcheck // net/http asks this error what kind it is
}

// shake does the handshake, and says whether that went well.
func (s *secured) shake() bool {
	_ = s.SetWriteDeadline(time.Now().Add(s.by.limit))
	err := s.tls.HandshakeContext(context.Background()) // ended by the read deadline, or by closing
	if err == nil {
		s.state.Store(&agreed{s.tls.ConnectionState(), time.Now()})
		return true
	}
	s.by.log.Debug("TLS handshake failed", "client", s.RemoteAddr().String(), "error", err)
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && record.Conn != nil && isHTTP(record.RecordHeader) {
		s.answerPlain()
	}
	return false
}

// shaken says whether the client has begun its handshake, and when that was done: never yet, if the time is zero.
func (s *secured) shaken() (begun bool, done time.Time) {
	if state := s.state.Load(); state != nil {
		done = state.at
	}
	return s.records.begun.Load(), done
}

// isHTTP says whether a client begins as a request of HTTP/1 does.
func isHTTP(begin [5]byte) bool {
	switch string(begin[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "DELET", "OPTIO", "PATCH", "PRI *":
		return true
	}
	return false
}

// unheard bounds what is read of a request that came without TLS.
const unheard = 64 << 10

// answerPlain tells a client without TLS what is wrong. It then reads for a moment, or else the system
// could throw the answer away together with what was not read.
func (s *secured) answerPlain() {
	if _, err := s.Conn.Write(s.by.plain()); err != nil {
		return
	}
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = s.SetReadDeadline(time.Now().Add(time.Second))
		s.records.discard(unheard)
	}
}

// agrees says whether what the client begins with is the preface of HTTP/2 if and only if that was
// agreed on.
func (s *secured) agrees(p []byte) bool {
	if s.seen == len(preface) {
		return true
	}
	n := min(len(p), len(preface)-s.seen)
	same := string(p[:n]) == preface[s.seen:s.seen+n]
	s.seen += n
	if s.multiplexed() {
		return same
	}
	if !same {
		s.seen = len(preface) // it is a request of HTTP/1
	}
	return !same || s.seen < len(preface)
}

// multiplexed says whether the connection carries HTTP/2.
func (s *secured) multiplexed() bool {
	state := s.state.Load()
	return state != nil && state.NegotiatedProtocol == protocolHTTP2
}

// Write implements net.Conn.
func (s *secured) Write(p []byte) (int, error) {
	return s.tls.Write(p) //nolint:wrapcheck // as it would be without this
}

// farewell is how long the end of the connection may take to be said. That needs no more than room in the
// system's buffer.
const farewell = 10 * time.Millisecond

// Close says to the client that no more comes, if that can be said at once.
func (s *secured) Close() error {
	s.records.hurry.Store(true)
	err := s.tls.Close()
	s.forget()
	return err //nolint:wrapcheck // as it would be without this
}

// hangUp closes the connection and says nothing.
func (s *secured) hangUp() {
	_ = s.Conn.Close()
	s.forget()
}

// forget clears what was decrypted and not taken. Where somebody is reading, that Read does it when it ends.
func (s *secured) forget() {
	if s.reading.TryLock() {
		s.records.forget()
		s.reading.Unlock()
	}
}

// CloseWrite ends this side, also for a client that knows only of TLS or only of TCP.
func (s *secured) CloseWrite() error {
	err := s.tls.CloseWrite()
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		err = errors.Join(err, half.CloseWrite())
	}
	return err
}

// SyscallConn returns the system's connection.
func (s *secured) SyscallConn() (syscall.RawConn, error) {
	if system, ok := s.Conn.(syscall.Conn); ok {
		return system.SyscallConn() //nolint:wrapcheck // as it would be without this
	}
	return nil, errors.ErrUnsupported
}
