package main

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hashd-project/hashd/v2/client"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// work is a bulk of a test: an input, and where its output goes.
type work struct {
	in, out string
	lines   int
}

func newWork(t *testing.T, lines int) work {
	t.Helper()
	dir := t.TempDir()
	w := work{filepath.Join(dir, "in"), filepath.Join(dir, "out"), lines}
	var text strings.Builder
	for n := range lines {
		fmt.Fprintf(&text, "topsecret-%d\n", n+1)
	}
	write(t, w.in, text.String())
	return w
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// bulk prepares a bulk in small batches.
func (w work) bulk(p *proxy, more ...string) *ctl {
	return command(p.address, append([]string{"bulk", w.in, "--output", w.out, "--batch=3", "--in-flight=2"}, more...)...)
}

// wantRecords checks that there is one record for each line, in order and with its hash, but for
// the lines of which the status is given, that only their owner can read them, and that the bulk
// has left nothing else.
func (w work) wantRecords(t *testing.T, others map[int]string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(read(t, w.out))).ReadAll()
	if err != nil || len(rows) != w.lines+1 {
		t.Fatalf("%d rows for %d lines: %v", len(rows), w.lines, err)
	}
	for n, row := range rows[1:] {
		line := n + 1
		sum := sha512.Sum512(fmt.Appendf(nil, "topsecret-%d", line))
		status, hash := "done", base64.StdEncoding.EncodeToString(sum[:])
		if other, ok := others[line]; ok {
			status, hash = other, ""
		}
		if row[0] != strconv.Itoa(line) || row[2] != status || row[3] != hash {
			t.Errorf("line %d: %q, want %s", line, row, status)
		}
	}
	if info, err := os.Stat(w.out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the output is %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(w.out + stateSuffix); err == nil {
		t.Error("the state is left behind")
	}
}

// wantNoSecrets checks what a bulk has left on its way.
func (w work) wantNoSecrets(t *testing.T, c *ctl) {
	t.Helper()
	state, _ := os.ReadFile(w.out + stateSuffix) // there may be none yet
	for _, text := range []string{string(state), c.stdout.String(), c.stderr.String()} {
		if strings.Contains(text, "topsecret") {
			t.Errorf("a secret is in:\n%s", text)
		}
	}
}

// toldProgress is a line of progress, which a bulk tells once it takes long.
var toldProgress = regexp.MustCompile(`(?m)^hashctl: (submitting|collecting|\d+ of \d+ lines submitted).*\n`)

// beside returns what a bulk that has ended says beside its progress.
func beside(c *ctl) string { return toldProgress.ReplaceAllLiteralString(c.stderr.String(), "") }

// A bulk killed at any request goes on: no line is submitted twice, and each has one record.
func TestBulkKilled(t *testing.T) {
	t.Parallel()
	for _, at := range []int{1, 2, 3, 4, 5, 6, 8, 12, 17, 23, 30, 36, 40} {
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			t.Parallel()
			w, p := newWork(t, 45), newProxy(t, server(t, "--delay=20ms"))
			c := w.bulk(p)
			p.once(t, at, c.kill)
			c.start(t).end(t, -1)
			w.wantNoSecrets(t, c)
			again := w.bulk(p).start(t).end(t, exitOK)
			w.wantNoSecrets(t, again)
			w.wantRecords(t, nil)
			if got := p.total(t); got != int64(w.lines) {
				t.Errorf("%d jobs for %d lines", got, w.lines)
			}
		})
	}
}

// A bulk killed again and again comes to its end.
func TestBulkKilledOften(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 100), newProxy(t, server(t, "--delay=20ms"))
	var c *ctl
	asked := atomic.Int64{} // in this run
	p.on(func(int, string) {
		if asked.Add(1) == 40 {
			c.kill()
		}
	})
	runs := 0
	for c = w.bulk(p); ; c = w.bulk(p) {
		if runs++; runs > 20 {
			t.Fatal("it comes to no end")
		}
		asked.Store(0)
		c.start(t)
		<-c.ended
		if c.cmd.ProcessState.ExitCode() == exitOK {
			break
		}
	}
	if w.wantRecords(t, nil); runs < 3 {
		t.Errorf("%d runs: it was not killed", runs)
	}
	if got := p.total(t); got != int64(w.lines) {
		t.Errorf("%d jobs for %d lines", got, w.lines)
	}
}

// A network that loses requests and answers costs a bulk time, and nothing else.
func TestBulkBadNetwork(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 45), newProxy(t, server(t, "--delay=20ms"))
	p.on(func(n int, _ string) {
		if n%7 == 0 {
			panic(http.ErrAbortHandler) // the answer is lost
		}
	})
	var asked, batches atomic.Int64
	p.instead(func(_ http.ResponseWriter, request string) bool {
		if request == "POST /hash/batch" && batches.Add(1) == 2 || asked.Add(1)%11 == 0 {
			panic(http.ErrAbortHandler) // the request is
		}
		return false
	})
	c := w.bulk(p).start(t).end(t, exitOK)
	w.wantRecords(t, nil)
	w.wantNoSecrets(t, c)
	if got := p.total(t); got != int64(w.lines) {
		t.Errorf("%d jobs for %d lines", got, w.lines)
	}
}

// Ctrl-C ends a bulk at once, and tells how to go on.
func TestBulkInterrupted(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 45), newProxy(t, server(t, "--delay=20ms"))
	c := w.bulk(p)
	p.once(t, 20, func() { c.endBy(syscall.SIGINT) })
	c.start(t).end(t, exitInterrupted)
	if got, want := beside(c), "hashctl: interrupted\nhint: the same command goes on where this one stopped\n"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	// What it is told may change where that changes nothing.
	w.bulk(p, "--in-flight=1", "--batch=7").start(t).end(t, exitOK)
	w.wantRecords(t, nil)
	if got := p.total(t); got != int64(w.lines) {
		t.Errorf("%d jobs for %d lines", got, w.lines)
	}
}

// A server that was started anew knows no jobs, and gives their ids to others: no line gets the
// hash of another's secret. That holds while a bulk runs and between its two runs.
func TestBulkServerRestarts(t *testing.T) {
	needs.Processes(t)
	t.Parallel()
	for _, tt := range []struct {
		name   string
		at     int
		killed bool
	}{
		{"early", 2, false}, {"accepted", 5, false}, {"collecting", 14, false}, {"late", 40, false},
		{"between, early", 5, true}, {"between, late", 30, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first, kill, err := startServer("--delay=20ms")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(kill)
			w, p := newWork(t, 45), newProxy(t, first)
			next := server(t, "--delay=20ms")
			c := w.bulk(p)
			restarted := make(chan struct{})
			p.once(t, tt.at, func() {
				defer close(restarted)
				if tt.killed {
					c.kill()
				}
				kill()
				p.retarget(next)
				strangers := make([][]byte, 50)
				for i := range strangers {
					strangers[i] = []byte("another's")
				}
				if _, err := p.direct(t).SubmitBatch(t.Context(), strangers, client.Options{}); err != nil {
					t.Error(err)
				}
			})
			c.start(t)
			if tt.killed {
				c.end(t, -1)
				<-restarted
				c = w.bulk(p).start(t)
			}
			c.end(t, exitOK)
			w.wantRecords(t, nil)
		})
	}
}

// A server that keeps its jobs on a disk is the same after a restart, whenever it started: nothing is
// submitted twice.
func TestBulkDurableServerRestarts(t *testing.T) {
	needs.Processes(t)
	t.Parallel()
	for name, at := range map[string]int{"early": 2, "accepted": 5, "collecting": 14, "late": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--engine=file", "--data-dir=" + t.TempDir(), "--delay=20ms"}
			first, kill, err := startServer(args...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(kill)
			w, p := newWork(t, 45), newProxy(t, first)
			p.once(t, at, func() {
				kill()
				again, stop, err := startServer(args...)
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(stop)
				p.retarget(again)
			})
			w.bulk(p).start(t).end(t, exitOK)
			w.wantRecords(t, nil)
			_, err = p.direct(t).Get(t.Context(), client.JobID(w.lines+1))
			if problem, ok := errors.AsType[*client.ProblemError](err); !ok || problem.Type != client.UnknownJobType {
				t.Errorf("there are more jobs than lines: %v", err)
			}
		})
	}
}

// A line whose job is gone has a record that says so, and the exit code tells.
func TestBulkGone(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 25), newProxy(t, server(t, "--delay=20ms"))
	var once sync.Once
	p.on(func(_ int, request string) {
		if request == "POST /hash/batch" {
			once.Do(func() {
				for _, id := range []client.JobID{2, 3} {
					if err := p.direct(t).Cancel(t.Context(), id); err != nil {
						t.Error(err)
					}
				}
			})
		}
	})
	c := w.bulk(p, "--in-flight=1").start(t).end(t, exitIncomplete)
	w.wantRecords(t, map[int]string{2: statusGone, 3: statusGone})
	want := "hashctl: 25 lines: 23 hashed, 2 without a hash\nhashctl: 2 of 25 lines have no hash\nhint: the column status tells which; submit those lines again\n"
	if got := beside(c); got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// A refusal for now is waited out, and told. What was missing before a kill still counts after.
func TestBulkWaits(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 25), newProxy(t, server(t, "--delay=0s"))
	refused := false
	c := w.bulk(p, "--in-flight=1")
	p.instead(func(rw http.ResponseWriter, request string) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if request != "POST /hash/batch" || refused {
			return false
		}
		refused = true
		const status, kind = 503, "full"
		rw.Header().Set("Content-Type", "application/problem+json")
		rw.Header().Set("Retry-After", "1")
		rw.WriteHeader(status)
		fmt.Fprintf(rw, `{"type":"urn:hashd:problem:%s","title":"No","status":%d,"detail":"Later.","instance":"urn:x"}`, kind, status)
		return true
	})
	var batches atomic.Int64
	p.on(func(_ int, request string) {
		if request == "POST /hash/batch" {
			switch batches.Add(1) {
			case 1:
				if err := p.direct(t).Cancel(t.Context(), 3); err != nil {
					t.Error(err)
				}
			case 3:
				c.kill()
			}
		}
	})
	c.start(t).end(t, -1)
	if want := "hashctl: 503 No: Later. (urn:x); trying again in 1."; !strings.HasPrefix(beside(c), want) {
		t.Errorf("it says %q, want %q", c.stderr.String(), want)
	}
	w.bulk(p).start(t).end(t, exitIncomplete)
	w.wantRecords(t, map[int]string{3: statusGone})
}

// A bulk does not go on with another input, other options, or files that something else changed.
func TestBulkRefusesOther(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 45), newProxy(t, server(t, "--delay=20ms"))
	c := w.bulk(p)
	p.once(t, 35, c.kill)
	c.start(t).end(t, -1)
	in, out, state := read(t, w.in), read(t, w.out), read(t, w.out+stateSuffix)
	if !strings.Contains(state, `"end"`) {
		t.Fatalf("nothing is written yet:\n%s", state)
	}
	_, after, _ := strings.Cut(state[strings.LastIndex(state, `"end":`):], ":")
	end, err := strconv.Atoi(after[:strings.IndexByte(after, ',')])
	if err != nil {
		t.Fatal(err)
	}
	next := strings.Count(out[:end], "\n") // the first line without a record: there is a header
	for _, tt := range []struct {
		name, in, out, state string
		more                 []string
		want                 string
	}{
		{"a line changed", strings.Replace(in, "-3\n", "-x\n", 1), out, state, nil, "the input has changed since this output was begun, in lines 1 to 3"},
		{"shorter", in[:30], out, state, nil, "the input has changed"},
		{"joined lines", strings.Replace(in, "-3\n", "-3", 1) + "x\n", out, state, nil, "the input has changed"},
		{"algorithm", in, out, state, []string{"--algorithm=sha256"}, "this output was begun with another --algorithm"},
		{"format", in, out, state, []string{"--format=ndjson"}, "this output was begun with another --format (csv)"},
		{"wait", in, out, state, []string{"--no-wait"}, "this output was begun with another --no-wait"},
		{"server", in, out, state, []string{"--server=http://localhost" + p.address[strings.LastIndexByte(p.address, ':'):]}, "this output was begun with another --server (http://" + p.address + ")"},
		{"raw", in, out, state, []string{"--raw"}, "this output was begun with another --raw"},
		{"output cut", in, out[:10], state, nil, "out is shorter than this bulk has left it"},
		{"output edited", in, strings.Replace(out, ",done,", ",gone,", 1), state, nil, "out was changed since this bulk has written it"},
		{"output replaced", in, strings.Repeat("notes\n", len(out)), state, nil, "out was changed since this bulk has written it"},
		{"output appended to", in, out[:end] + "notes\n", state, nil, "out has something at its end that this bulk has not written"},
		{"another's output", in, "notes\n", state[:strings.Index(state, `{"batch":0,"end"`)], nil, "out has something at its end that this bulk has not written"},
		{"output gone", in, "", state, nil, "out is missing, though this bulk has written records to it"},
		{"no state", in, out, "nonsense\n", nil, "out.state is damaged"},
		{"step missing", in, out, state[:strings.IndexByte(state, '\n')+1] + `{"batch":4,"first":1,"store":"8f14e45fceea167a"}` + "\n", nil, "out.state is damaged"},
	} {
		write(t, w.in, tt.in)
		write(t, w.out, tt.out)
		if tt.out == "" {
			_ = os.Remove(w.out)
		}
		write(t, w.out+stateSuffix, tt.state)
		c := w.bulk(p, tt.more...).start(t).end(t, exitUsage)
		if !strings.Contains(c.stderr.String(), tt.want) {
			t.Errorf("%s: it says %q, want %q", tt.name, c.stderr.String(), tt.want)
		}
		w.wantNoSecrets(t, c)
		got, err := os.ReadFile(w.out)
		if cut := tt.out == out && string(got) == out[:end]; !cut && string(got) != tt.out || (err != nil) != (tt.out == "") { // what no step tells of may go
			t.Errorf("%s: it changed the output: %v", tt.name, err)
		}
	}
	// A step cut short, as by a loss of power, and output beyond the last step are as if they had not been.
	// New lines at the end are no change.
	write(t, w.in, in+"topsecret-46\n")
	w.lines++
	for _, tail := range []string{strconv.Itoa(next) + ",9,do", strings.Repeat(strconv.Itoa(next)+",9,done\n", 1000), "\x00\x00\x00\x00", ""} {
		write(t, w.out, out[:end]+tail)
		write(t, w.out+stateSuffix, state+`{"batch":`)
		w.bulk(p).start(t).end(t, exitOK)
		w.wantRecords(t, nil)
	}
}

// Two can't write the same output at a time.
func TestBulkInUse(t *testing.T) {
	t.Parallel()
	w, p := newWork(t, 15), newProxy(t, server(t, "--delay=1h"))
	accepted := make(chan struct{}, 2)
	p.on(func(_ int, request string) {
		if request == "POST /hash/batch" {
			accepted <- struct{}{}
		}
	})
	w.bulk(p).start(t)
	<-accepted
	c := w.bulk(p).start(t).end(t, exitUsage)
	if !strings.Contains(c.stderr.String(), "out.state is in use") {
		t.Errorf("it says %q", c.stderr.String())
	}
}
