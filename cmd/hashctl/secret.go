package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// readSecret reads one secret from the file, or from standard input if that is "" or "-": from a
// prompt if it is a terminal. Raw, it is taken to its last byte, whatever they are. The caller wipes it.
func (p *program) readSecret(ctx context.Context, file string, raw bool) ([]byte, error) {
	secret, err := p.readWhole(ctx, file, raw)
	if err != nil {
		return nil, err
	}
	err = otherEncoding(secret, raw)
	if bad := flaw(secret, raw); bad != "" && err == nil {
		hint := "a secret is 1 to 1,024 characters of UTF-8; one newline at its end is left out"
		if flaw(secret, true) == "" {
			hint = asItIs
		}
		err = &usageError{"the secret " + bad, hint}
	}
	if err != nil {
		clear(secret)
		return nil, err
	}
	if !raw && !oneSpelling(secret) {
		p.warnOfForm("the secret")
	}
	return secret, nil
}

// warnOfForm tells that what is hashed as it is could be written in two ways.
func (p *program) warnOfForm(what string) {
	text := errors.New(what + " is not in Unicode's form NFC: the same text from another keyboard may have another hash")
	p.report(local("not-nfc", "Another form of Unicode", text, "it was taken as it is", exitOK))
}

func (p *program) readWhole(ctx context.Context, file string, raw bool) ([]byte, error) {
	if file == "" || file == "-" {
		if terminal, ok := p.stdin.(*os.File); ok && isTerminal(terminal) {
			return p.prompt(ctx, terminal)
		}
	}
	in := newInterruptible(ctx, p.stdin)
	if file != "" && file != "-" {
		f, err := os.Open(file) //nolint:gosec // the user names it
		if err != nil {
			return nil, &failure{err, "check --file"}
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = newInterruptible(ctx, f)
	}
	// More than a secret and its newline can be is too long, wherever it ends.
	buf := make([]byte, maxSecretBytes+len("\r\n")+1)
	n, err := io.ReadFull(in, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(buf)
		return nil, &failure{fmt.Errorf("read the secret: %w", err), "nothing was submitted"}
	}
	if raw {
		return buf[:n], nil
	}
	return trimNewline(buf[:n]), nil
}

// trimNewline takes one newline, LF or CRLF, off the end.
func trimNewline(line []byte) []byte {
	if rest, ok := bytes.CutSuffix(line, []byte("\n")); ok {
		return bytes.TrimSuffix(rest, []byte("\r"))
	}
	return line
}

// prompt reads a secret from the terminal without showing it.
func (p *program) prompt(ctx context.Context, terminal *os.File) ([]byte, error) {
	const nothing = "nothing was submitted"
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, &failure{fmt.Errorf("read the secret: %w", err), nothing}
	}
	_, _ = fmt.Fprint(p.stderr, "Secret: ")
	type line struct {
		secret []byte
		err    error
	}
	read := make(chan line, 1)
	go func() {
		secret, err := term.ReadPassword(fd)
		if err == nil && dropPending(fd) {
			clear(secret)
			err = &usageError{"more than one line was pasted", "paste one secret without a newline, or give a file by --file"}
		}
		read <- line{secret, err}
	}()
	defer func() { _, _ = fmt.Fprintln(p.stderr) }()
	select {
	case l := <-read:
		if l.err != nil {
			return nil, &failure{fmt.Errorf("read the secret: %w", l.err), nothing}
		}
		return l.secret, nil
	case <-ctx.Done(): // the read goes on, but the process is about to end
		_ = term.Restore(fd, before)
		return nil, &failure{context.Cause(ctx), nothing}
	}
}

// interruptible is a reader whose reads end with its context. A read that is under way then goes
// on in its own goroutine, into a buffer of its own.
type interruptible struct {
	ctx  context.Context //nolint:containedctx // io.Reader has no room for it
	r    io.Reader
	buf  []byte // what was read and not taken yet is left
	left []byte
	done chan error
	due  bool  // a read has begun, and done will tell its end
	err  error // after which nothing is read
}

func newInterruptible(ctx context.Context, r io.Reader) *interruptible {
	return &interruptible{ctx: ctx, r: r, buf: make([]byte, 64<<10), done: make(chan error, 1)}
}

// Read implements io.Reader.
func (i *interruptible) Read(p []byte) (int, error) {
	if i.err == nil && (i.due || len(i.left) == 0) {
		i.err = i.fill()
	}
	if i.err != nil { // for good: the buffer may still be the goroutine's
		return 0, i.err
	}
	n := copy(p, i.left)
	clear(i.left[:n])
	i.left = i.left[n:]
	return n, nil
}

// begin reads ahead. It calls ended if there is nothing more to read.
func (i *interruptible) begin(ended func()) {
	i.due = true
	go func() {
		n, err := i.r.Read(i.buf)
		i.left = i.buf[:n]
		if n > 0 {
			err = nil // it comes back with the next read
		}
		if errors.Is(err, io.EOF) {
			ended()
		}
		i.done <- err
	}()
}

func (i *interruptible) fill() error {
	if !i.due {
		i.begin(func() {})
	}
	i.due = false
	select {
	case err := <-i.done:
		return err
	case <-i.ctx.Done():
		return context.Cause(i.ctx)
	}
}
