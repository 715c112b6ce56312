package e2e

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// event is one thing that a traced server did: to a file in its data folder, to the folder, or to a client.
type event struct {
	kind       eventKind
	name, from string // of the file, and for a rename or link of the one it was
	at         int64  // where a write begins, negative for behind what is there, or the size that a file is cut to
	data       []byte
}

type eventKind int

const (
	writes  eventKind = iota
	resizes           // to at
	syncs
	syncsFolder
	creates
	renames
	links
	removes
	answers // with data
	fails   // which changes nothing
)

// recorded are the calls of which a record consists.
const recorded = "openat,pwrite64,write,fdatasync,fsync,ftruncate,renameat,renameat2,linkat,unlinkat"

var (
	hexBytes   = regexp.MustCompile(`(\\x[0-9a-f]{2})+`)
	descriptor = regexp.MustCompile(`^\d+<([^>]*)>`)
)

// call is a line of strace: one whole, or its beginning, or its end.
type call struct {
	thread, name, arguments string
	ended, failed           bool // not set for a beginning
}

// readCall returns a call, and false for a line that is none.
func readCall(line string) (c call, ok bool) {
	const resumed, unfinished = "<... ", " <unfinished ...>"
	c.thread, line, _ = strings.Cut(line, " ")
	line = strings.TrimLeft(line, " ")
	if text, end := strings.CutPrefix(line, resumed); end {
		c.name, line, ok = strings.Cut(text, " ")
	} else {
		c.name, line, ok = strings.Cut(line, "(")
	}
	if text, begun := strings.CutSuffix(line, unfinished); begun {
		c.arguments = text
		return c, ok
	}
	end := strings.LastIndex(line, ") ")
	if !ok || end < 0 {
		return c, false
	}
	c.arguments, c.ended = line[:end], true
	c.failed = strings.HasPrefix(strings.TrimLeft(line[end+2:], " ="), "-")
	return c, true
}

// readRecord reads what strace has written of the calls that concern the folder and of answers over HTTP.
// A write counts from when it begins, a sync from when it has ended.
func readRecord(t *testing.T, path, dir string) (events []event) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	begun := make(map[string]int) // by thread, where in events its call is, if that is ours
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 64<<20); lines.Scan(); {
		c, ok := readCall(lines.Text())
		if place, is := begun[c.thread]; ok && is {
			delete(begun, c.thread)
			events = finishEvent(events, place, c.failed)
			continue
		}
		if !ok || c.failed || !slices.Contains(strings.Split(recorded, ","), c.name) || strings.HasPrefix(c.arguments, "resumed") {
			continue
		}
		if e, ours := newEvent(c.name, plain(t, c.arguments), dir); ours {
			events = append(events, e)
			if !c.ended {
				begun[c.thread] = len(events) - 1
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

// finishEvent takes in the end of a call that had others within it.
func finishEvent(events []event, place int, failed bool) []event {
	e := events[place]
	if failed {
		events[place].kind = fails
	} else if e.kind == syncs || e.kind == syncsFolder {
		events[place].kind = fails // until now
		events = append(events, e)
	}
	return events
}

// arguments are those of a call, as text.
type arguments []string

// plain splits arguments and decodes what is written in hexadecimal.
func plain(t *testing.T, text string) (all arguments) {
	t.Helper()
	for one := range strings.SplitSeq(text, ", ") {
		all = append(all, hexBytes.ReplaceAllStringFunc(one, func(s string) string {
			b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}))
	}
	return all
}

func (a arguments) text(n int) string { return strings.TrimSuffix(strings.TrimPrefix(a[n], `"`), `"`) }

func (a arguments) number(n int) int64 {
	v, _ := strconv.ParseInt(a[n], 10, 64)
	return v
}

// newEvent returns what the call does, and whether it concerns us.
func newEvent(call string, a arguments, dir string) (e event, ours bool) {
	in := func(path string) bool { return filepath.Dir(path) == dir }
	switch call {
	case "openat":
		e = event{kind: creates, name: a.text(1)}
		return named(e), in(e.name) && strings.Contains(a[2], "O_CREAT")
	case "renameat", "renameat2", "linkat":
		e = event{kind: renames, from: a.text(1), name: a.text(3)}
		if call == "linkat" {
			e.kind = links
		}
		return named(e), in(e.name)
	case "unlinkat":
		e = event{kind: removes, name: a.text(1)}
		return named(e), in(e.name)
	}
	m := descriptor.FindStringSubmatch(a[0])
	if m == nil {
		return e, false
	}
	e.name = m[1]
	switch call {
	case "write":
		e.data, e.at = []byte(a.text(1)), -1
		if strings.HasPrefix(e.name, "socket:") && strings.HasPrefix(a.text(1), "HTTP/1.1 2") {
			e.kind = answers
			return e, true
		}
	case "pwrite64":
		e.data, e.at = []byte(a.text(1)), a.number(3)
	case "ftruncate":
		e.kind, e.at = resizes, a.number(1)
	case "fdatasync", "fsync":
		e.kind = syncs
		if e.name == dir {
			e.kind = syncsFolder
			return e, true
		}
	default:
		panic(fmt.Sprintf("call %s is not among those recorded", call))
	}
	return named(e), in(e.name)
}

// named leaves the folder out of the names.
func named(e event) event {
	e.name = filepath.Base(e.name)
	if e.from != "" {
		e.from = filepath.Base(e.from)
	}
	return e
}
