package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is what a person sees and types.
type terminal struct {
	keys *os.File

	mu      sync.Mutex
	seen    bytes.Buffer
	changed chan struct{} // closed and replaced when more is seen
	ended   chan struct{} // closed when there is no more
}

// onTerminal starts the command on a terminal of its own.
func onTerminal(t *testing.T, c *ctl) *terminal {
	t.Helper()
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = nil, nil, nil // StartWithSize gives it the terminal
	keys, err := pty.StartWithSize(c.cmd, &pty.Winsize{Rows: 24, Cols: 120})
	if err != nil {
		t.Fatal(err)
	}
	s := &terminal{keys: keys, changed: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		_, _ = io.Copy(s, keys) // ends with an error when the program does
	}()
	c.watch()
	t.Cleanup(func() {
		c.kill()
		_ = keys.Close()
		<-s.ended
	})
	return s
}

// Write implements io.Writer.
func (s *terminal) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.seen.Write(p)
}

func (s *terminal) read() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String(), s.changed
}

// await waits until the pattern is seen.
func (s *terminal) await(t *testing.T, pattern string) {
	t.Helper()
	timeout, re := time.After(patience), regexp.MustCompile(pattern)
	for over := false; ; {
		text, changed := s.read()
		if re.MatchString(text) {
			return
		}
		if over {
			t.Fatalf("it ended without %s:\n%s", pattern, text)
		}
		select {
		case <-changed:
		case <-s.ended:
			over = true
		case <-timeout:
			t.Fatalf("no %s in:\n%s", pattern, text)
		}
	}
}

// echoes says whether the terminal shows what is typed.
func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	settings, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return settings.Lflag&unix.ECHO != 0
}

// awaitNoEcho waits until the terminal no longer shows what is typed: only then may one type.
func awaitNoEcho(t *testing.T, f *os.File) {
	t.Helper()
	for deadline := time.Now().Add(patience); echoes(t, f); {
		if time.Now().After(deadline) {
			t.Fatal("the terminal goes on showing what is typed")
		}
	}
}

// A secret is asked for at a terminal, and not shown.
func TestPrompt(t *testing.T) {
	t.Parallel()
	c := command(server(t, "--delay=0s"), "submit", "--wait")
	s := onTerminal(t, c)
	s.await(t, "^Secret: $")
	awaitNoEcho(t, s.keys)
	if _, err := s.keys.WriteString("angryMonkey\n"); err != nil {
		t.Fatal(err)
	}
	s.await(t, `^Secret: \r\nZEHhWB65gUlzdVwtDQArEyx\+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A\+gf7Q==\r\n$`)
	c.end(t, exitOK)
	if !echoes(t, s.keys) {
		t.Error("the terminal is left without echo")
	}
}

// Ctrl-C at the prompt ends it, and the terminal shows again what is typed.
func TestPromptInterrupted(t *testing.T) {
	t.Parallel()
	c := command(server(t), "submit", "--file", "-")
	s := onTerminal(t, c)
	s.await(t, "^Secret: $")
	awaitNoEcho(t, s.keys)
	if _, err := s.keys.WriteString("topse\x03"); err != nil {
		t.Fatal(err)
	}
	s.await(t, `^Secret: \r\nhashctl: interrupted\r\nhint: nothing was submitted\r\n$`)
	c.end(t, exitInterrupted)
	if !echoes(t, s.keys) {
		t.Error("the terminal is left without echo")
	}
}

// What a terminal adds to what is pasted, keys that move no cursor here, more than one line,
// and nothing at all are refused at the prompt. Lines left over don't reach the shell.
func TestPromptRefuses(t *testing.T) {
	t.Parallel()
	address := server(t, "--delay=0s")
	for typed, want := range map[string]string{
		"\x1b[200~topsecret\x1b[201~\n": "the secret has the marks that a terminal puts around what is pasted",
		"topsecrte\x1b[D\x1b[D\n":       "the secret has an escape character",
		"top\x16\x01secret\n":           `the secret has a control character \(U\+0001\)`,
		"topsecret\nls\n":               "more than one line was pasted",
		"\n":                            "the secret is empty",
	} {
		c := command(address, "submit")
		s := onTerminal(t, c)
		s.await(t, "^Secret: $")
		awaitNoEcho(t, s.keys)
		if _, err := s.keys.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		s.await(t, `\r\nhashctl: `+want+`.*\r\nhint: .*\r\n$`)
		c.end(t, exitUsage)
		if text, _ := s.read(); strings.Contains(text, "topsec") {
			t.Errorf("a secret is shown: %q", text)
		}
		if !echoes(t, s.keys) {
			t.Error("the terminal is left without echo")
		}
	}
}

// A bulk on a terminal has a bar that tells what is done now.
func TestProgressBar(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 45), newProxy(t, server(t, "--delay=300ms"))
	c := w.bulk(p, "--in-flight=1")
	s := onTerminal(t, c)
	s.await(t, `(submitting|due at|collecting)[^%]* \d+% \|.*\| \(\d+/45\)`)
	s.await(t, `due at \d\d:\d\d:\d\d +\d+% \|[█ ]*\| \(\d+/45\)`)
	s.await(t, `100%.*\(45/45\)`)
	s.await(t, `\nhashctl: 45 lines: 45 hashed, 0 without a hash\r\n$`)
	c.end(t, exitOK)
	w.wantRecords(t, nil)
	if text, _ := s.read(); strings.Contains(text, "topsecret") {
		t.Errorf("a secret is shown: %q", text)
	}
}

// Ctrl-C in a bulk leaves a terminal on a new line.
func TestProgressBarInterrupted(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 45), newProxy(t, server(t, "--delay=1h"))
	c := w.bulk(p)
	s := onTerminal(t, c)
	s.await(t, `\(0/45`)
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.await(t, `\r\nhashctl: interrupted\r\nhint: the same command goes on where this one stopped\r\n$`)
	c.end(t, exitInterrupted)
}

// Records on a terminal are not disturbed by a bar.
func TestRecordsOnTerminal(t *testing.T) {
	t.Parallel()
	w, address := newWork(t, 3), server(t, "--delay=0s")
	c := command(address, "bulk", w.in, "--no-wait")
	s := onTerminal(t, c)
	s.await(t, `^line,id,status,hash\r\n1,1,pending,\r\n2,2,pending,\r\n3,3,pending,\r\nhashctl: 3 lines submitted\r\n$`)
	c.end(t, exitOK)
}
