package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/client"
)

// filled returns the address of a server with n jobs, whose secrets are their ids.
func filled(t *testing.T, n int, flags ...string) (address string, jobs *client.Jobs) {
	t.Helper()
	address = server(t, flags...)
	jobs, err := client.NewJobs(client.Config{Server: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, jobs, 1, n)
	return address, jobs
}

func fill(t *testing.T, jobs *client.Jobs, first, n int) {
	t.Helper()
	var secrets [][]byte
	for id := first; id < first+n; id++ {
		secrets = append(secrets, fmt.Append(nil, id))
	}
	if _, err := jobs.SubmitBatch(t.Context(), secrets, client.Options{}); err != nil {
		t.Fatal(err)
	}
}

// hashOfID is the hash of a job of filled.
func hashOfID(id int) string { return hashOf(fmt.Append(nil, id), client.Sha512) }

// run runs hashctl inside the test.
func run(ctx context.Context, address string, args ...string) (code int, stdout, stderr string) {
	p, out, errs := newProgram(address, strings.NewReader(""))
	code = p.run(ctx, args)
	return code, out.String(), errs.String()
}

func TestRanges(t *testing.T) {
	t.Parallel()
	address, jobs := filled(t, 10, "--delay=20ms")
	code, out, errs := run(t.Context(), address, "wait", "1-10")
	if lines := strings.Split(out, "\n"); code != exitOK || len(lines) != 12 || lines[0] != "id,status,hash" || lines[10] != "10,done,"+hashOfID(10) {
		t.Errorf("wait: exit code %d, %q, %q", code, out, errs)
	}
	if err := jobs.Cancel(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	code, out, errs = run(t.Context(), address, "get", "2-12", "--json")
	want := fmt.Sprintf("{\"id\":2,\"status\":\"done\",\"hash\":%q}\n{\"id\":3,\"status\":\"gone\"}\n", hashOfID(2))
	if code != exitGone || !strings.HasPrefix(out, want) || !strings.HasSuffix(out, "{\"id\":12,\"status\":\"unknown\"}\n") || !strings.Contains(errs, "of 11 jobs 1 are gone and 2 unknown") {
		t.Errorf("get: exit code %d, %q, %q", code, out, errs)
	}
	code, out, errs = run(t.Context(), address, "cancel", "1-4", "--json")
	if want := "{\"first\":1,\"last\":4,\"canceled\":0,\"erased\":3,\"gone\":1,\"unknown\":0}\n"; code != exitGone || out != want || strings.Contains(errs, "column") {
		t.Errorf("cancel: exit code %d, %q, %q", code, out, errs)
	}
	if code, out, errs = run(t.Context(), address, "cancel", "5-10"); code != exitOK || out != "" || errs != "" {
		t.Errorf("cancel: exit code %d, %q, %q", code, out, errs)
	}
}

func TestRangesOfPendingJobs(t *testing.T) {
	t.Parallel()
	address, _ := filled(t, 5, "--delay=1h")
	for _, args := range [][]string{{"get", "1-5"}, {"wait", "1-5", "--timeout=100ms"}} {
		code, out, errs := run(t.Context(), address, args...)
		if code != exitPending || !strings.Contains(errs, "of 5 jobs 5 are pending") || strings.Contains(out, "done") {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, errs)
		}
	}
}

// After the timeout the others are printed as they are, and count as what they are.
func TestWaitForRangePrintsTheRestAfterItsTimeout(t *testing.T) {
	t.Parallel()
	address, jobs := filled(t, 4, "--delay=1h")
	if err := jobs.Cancel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := jobs.Cancel(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]struct {
		code      int
		out, told string
	}{
		"1-5": {exitGone, "id,status,hash\n1,gone,\n2,pending,\n3,gone,\n4,pending,\n5,unknown,\n", "of 5 jobs 2 are gone and 1 unknown"},
		"4-4": {exitPending, "id,status,hash\n4,pending,\n", "of 1 jobs 1 are pending"},
	} {
		code, out, errs := run(t.Context(), address, "wait", arg, "--timeout=100ms")
		if code != want.code || out != want.out || !strings.Contains(errs, want.told) {
			t.Errorf("%s: exit code %d, %q, %q", arg, code, out, errs)
		}
	}
}

// writerFunc is a writer that a test makes.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A line is written as soon as its job is done, though the next is pending.
func TestWaitForRangeWritesWhatIsReady(t *testing.T) {
	t.Parallel()
	written := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v/status" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"status":"ok","api":"2.0.0","version":"v","commit":"c","go":"go","started":"2026-01-01T00:00:00Z","store":"a"}`)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, "{\"id\":1,\"status\":\"gone\"}\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case got := <-written:
			if got != "id,status,hash\n1,gone,\n" {
				t.Errorf("it wrote %q", got)
			}
		case <-time.After(patience):
			t.Error("it holds the line back")
		}
		_, _ = io.WriteString(w, "{\"id\":2,\"status\":\"gone\"}\n")
	}))
	t.Cleanup(s.Close)
	p, _, errs := newProgram(strings.TrimPrefix(s.URL, "http://"), nil)
	p.stdout = writerFunc(func(text []byte) (int, error) {
		written <- string(text)
		return len(text), nil
	})
	if code := p.run(t.Context(), []string{"wait", "1-2"}); code != exitGone {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

func TestMistypedRanges(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"9-3", "3-", "1-x", "0-5", "1--5", "1-9-10", "1-2000000000"} {
		for _, command := range []string{"get", "wait", "cancel"} {
			if code, _, errs := run(t.Context(), "127.0.0.1:1", command, arg, "--retry-for=1ms"); code != exitUsage || !strings.Contains(errs, "hint: ") {
				t.Errorf("%s %s: exit code %d, %s", command, arg, code, errs)
			}
		}
	}
}

// A tail prints each hash once, and goes on where it stopped.
func TestTail(t *testing.T) {
	t.Parallel()
	address, jobs := filled(t, 100, "--delay=20ms")
	for range jobs.WaitBatch(t.Context(), 1, 100) {
	}
	state := filepath.Join(t.TempDir(), "state")
	if code, out, errs := run(t.Context(), address, "tail", "--once", "--after=98"); code != exitOK || out != fmt.Sprintf("id,status,hash\n99,done,%s\n100,done,%s\n", hashOfID(99), hashOfID(100)) {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if code, out, errs := run(t.Context(), address, "tail", "--once", "--json", "--state="+state); code != exitOK || strings.Count(out, "\n") != 100 {
		t.Errorf("exit code %d, %d lines, %q", code, strings.Count(out, "\n"), errs)
	}
	fill(t, jobs, 101, 50)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	p, out, told := newProgram(address, strings.NewReader(""))
	ended := make(chan int, 1)
	go func() { ended <- p.run(ctx, []string{"tail", "--state=" + state}) }()
	for end := time.Now().Add(time.Minute); !strings.Contains(read(t, state), `"after":150`); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the state never tells of the last job: " + read(t, state))
		}
	}
	stop()
	if code := <-ended; code != exitInterrupted || !strings.Contains(told.String(), "hint: the same command goes on") || strings.Count(out.String(), "\n") != 51 || !strings.Contains(out.String(), "101,done,"+hashOfID(101)) {
		t.Errorf("exit code %d, %q", code, out)
	}
	if code, out, errs := run(t.Context(), address, "tail", "--once", "--state="+state); code != exitOK || out != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}

// What a tail noted of one store means nothing in another.
func TestTailOfAnotherStore(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	address := server(t, "--delay=20ms")
	for text, want := range map[string]struct {
		code int
		told string
	}{
		`{"store":"0123456789abcdef","after":7}`: {exitFailed, "another store than before"},
		"no state":                               {exitUsage, "is not the state of a tail"},
	} {
		if err := os.WriteFile(state, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errs := run(t.Context(), address, "tail", "--once", "--state="+state); code != want.code || out != "" || !strings.Contains(errs, want.told) {
			t.Errorf("%s: exit code %d, %q, %q", text, code, out, errs)
		}
	}
	if code, _, errs := run(t.Context(), address, "tail", "--once", "--after=-1"); code != exitUsage {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

// A store that changes while tail asks ends it before anything of the other store is printed or noted.
func TestTailTellsOfAnotherStoreMeanwhile(t *testing.T) {
	t.Parallel()
	first, _ := filled(t, 5, "--delay=0s")
	other, jobs := filled(t, 9, "--delay=0s")
	for range jobs.WaitBatch(t.Context(), 1, 9) {
	}
	for name, tt := range map[string]struct {
		at   string
		more []string
	}{
		"before the page": {"GET /v/status", []string{"--once"}}, "after it": {"GET /hash", []string{"--once"}},
		"before it follows": {"GET /v/status", nil},
	} {
		proxy := newProxy(t, first)
		proxy.on(func(_ int, request string) {
			if request == tt.at {
				proxy.retarget(other)
			}
		})
		state := filepath.Join(t.TempDir(), "state")
		code, out, errs := run(t.Context(), proxy.address, append([]string{"tail", "--state=" + state}, tt.more...)...)
		if code != exitFailed || out != "" || !strings.Contains(errs, "another store than before") {
			t.Errorf("%s: exit code %d, %q, %q", name, code, out, errs)
		}
		if _, err := os.Stat(state); err == nil {
			t.Errorf("%s: it noted %s", name, read(t, state))
		}
	}
}
