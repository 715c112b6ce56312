//go:build unix

package server

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// The limit on files is the process's own.
func TestOpenFilesIsTheLimitOfTheProcess(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if got := openFiles(); got < 1 || uint64(got) > limit.Cur {
		t.Errorf("%d files may be open, and the system says %d", got, limit.Cur)
	}
}

// What has arrived is seen, and is still there to be read.
func TestArrivedLeavesWhatItSees(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	if arrived(served) {
		t.Error("something has arrived before anything was sent")
	}
	if _, err := client.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); !arrived(served); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("what was sent is not seen")
		}
	}
	for _, want := range "ab" {
		if !arrived(served) {
			t.Fatalf("%c is not seen", want)
		}
		var b [1]byte
		if _, err := served.Read(b[:]); err != nil || rune(b[0]) != want {
			t.Fatalf("read %q, %v, want %c", b, err, want)
		}
	}
	if arrived(served) {
		t.Error("something has arrived after all was read")
	}
	client.Close()
	served.Close()
	if arrived(served) {
		t.Error("something has arrived on a connection that is closed")
	}
}

// Of a connection that the system does not know nothing is seen.
func TestArrivedOnAPipe(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if arrived(a) {
		t.Error("something has arrived")
	}
}
