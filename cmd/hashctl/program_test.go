package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/client"
)

// newProgram returns a program that runs inside the test.
func newProgram(address string, stdin io.Reader) (p *program, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	env := func(name string) string { return map[string]string{"HASHD_SERVER": "http://" + address}[name] }
	return &program{env: env, stdin: stdin, stdout: stdout, stderr: stderr}, stdout, stderr
}

// with returns the program's command line.
func (p *program) with(t *testing.T) *cobra.Command {
	t.Helper()
	server := p.server
	p.env = func(string) string { return server }
	return p.command()
}

// An empty input needs no server, be it a file or a pipe that ends only after the server was asked.
func TestEmptyBulkNeedsNoServer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"bulk", file}, {"bulk", "-"}, {"bulk", os.DevNull}, {"bulk", file, "--no-wait"}} {
		r, w := io.Pipe()
		p, stdout, stderr := newProgram("127.0.0.1:1", r)
		ended := time.AfterFunc(50*time.Millisecond, func() { _ = w.Close() })
		code := p.run(t.Context(), append(args, "--retry-for", "1m"))
		ended.Stop()
		if code != exitOK || stdout.Len() > 0 || !strings.HasSuffix(stderr.String(), "the input is empty: nothing was submitted\n") {
			t.Errorf("%v: exit code %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// A missing server is told before the first line of a pipe has come.
func TestBulkAsksForTheServerBeforeItsInput(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	p, _, stderr := newProgram("127.0.0.1:1", r)
	if code := p.run(t.Context(), []string{"bulk", "-", "--retry-for", "10ms"}); code != exitFailed {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// A variable that was meant to name the server is told, and nothing is sent; what it holds is not repeated.
func TestMistypedServerVariable(t *testing.T) {
	address := server(t)
	for _, name := range []string{"HASHD_SERVR", "HASHD_SEVER", "HASHD_SERVERS", "HASHD_SREVER", "HASHD_SERV", "HASHD_Server", "HASHCTL_SERVER", "HASHCTL_SERVR"} {
		for _, args := range [][]string{{"submit"}, {"bulk", "-"}, {"get", "1"}, {"wait", "1"}, {"cancel", "1"}, {"stats"}, {"status"}} {
			p, stdout, stderr := newProgram(address, strings.NewReader("topsecret\n"))
			p.environ = []string{"PATH=/bin", name + "=http://topsecret.example"}
			want := "hashctl: hashctl takes no variable " + name + "\nhint: the nearest is HASHD_SERVER\n"
			if code := p.run(t.Context(), args); code != exitUsage || stdout.Len() > 0 || stderr.String() != want {
				t.Errorf("%s, %v: exit code %d, %q, %q", name, args, code, stdout, stderr)
			}
		}
	}
}

// hashd's own variables, those that a pod has for a service, and those of other programs are not told.
func TestOtherVariablesAreNotHashctls(t *testing.T) {
	page, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`HASHD_[A-Z_]+`).FindAllString(string(page), -1)
	if len(names) < 30 {
		t.Fatalf("hashd has but %d variables", len(names))
	}
	names = append(names, "HASHD_SERVICE_HOST", "HASHD_SERVICE_PORT", "HASHD_SERVER_SERVICE_HOST", "HASHD_SERVER_PORT",
		"HASHD_SERVER_PORT_8080_TCP_ADDR", "HASHCTL_SERVICE_HOST", "SERVER", "HASHD", "SERVR", "HASHD_", "")
	for _, name := range names {
		if got := mistypedServer([]string{name + "=x"}); got != "" {
			t.Errorf("%s is taken for the server's", got)
		}
	}
}

// A pipe in which nothing more comes does not keep Ctrl-C from ending hashctl.
func TestInterruptedReading(t *testing.T) {
	address := server(t)
	for _, args := range [][]string{{"submit"}, {"bulk", "-"}} {
		r, w := io.Pipe()
		p, stdout, stderr := newProgram(address, r)
		ctx, cancel := context.WithCancel(t.Context())
		code := make(chan int, 1)
		go func() { code <- p.run(ctx, args) }()
		if _, err := io.WriteString(w, "topsecret\n"); err != nil { // returns once it is read
			t.Fatal(err)
		}
		cancel()
		if got := <-code; got != exitInterrupted || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "hashctl: interrupted\nhint: ") {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, got, stdout, stderr)
		}
		_ = w.Close()
	}
}

// Ctrl-C in a wait tells the id of the job, which nobody has seen yet.
func TestInterruptedWaitTellsID(t *testing.T) {
	proxy := newProxy(t, server(t, "--delay=1h"))
	p, stdout, stderr := newProgram(proxy.address, strings.NewReader("a"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	proxy.instead(func(_ http.ResponseWriter, request string) bool {
		if strings.HasPrefix(request, "GET /hash/") {
			cancel()
		}
		return false
	})
	code := p.run(ctx, []string{"submit", "--wait"})
	if want := "hashctl: interrupted\nhint: job 1 stays submitted; 'hashctl wait 1' waits for its hash\n"; code != exitInterrupted || stdout.Len() > 0 || stderr.String() != want {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// A wait that times out says so, also where the server has answered in time that the job is pending.
func TestTimedOutWaitIsTold(t *testing.T) {
	url := foreign(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id":1,"status":"pending","algorithm":"sha512","due":"2026-01-01T00:00:05Z"}`)
	})
	for _, args := range [][]string{{"wait", "1"}, {"submit", "--wait"}, {"wait", "1", "--json"}} {
		p, stdout, stderr := newProgram(strings.TrimPrefix(url, "http://"), strings.NewReader("a"))
		code := p.run(t.Context(), append(args, "--timeout=500ms"))
		if code != exitPending || stdout.Len() > 0 || !strings.Contains(stderr.String(), "job 1 was not done within 500ms") {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

// Input that can't be read and output that can't be written are failures.
func TestBrokenPipes(t *testing.T) {
	address := server(t, "--delay=0s")
	for _, args := range [][]string{{"submit"}, {"bulk", "-"}} {
		p, _, stderr := newProgram(address, io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(errors.New("broken"))))
		if code := p.run(t.Context(), args); code != exitFailed || !strings.Contains(stderr.String(), "broken\nhint: ") {
			t.Errorf("%q: exit code %d, stderr %q", args, code, stderr)
		}
	}
	for _, args := range [][]string{{"submit"}, {"bulk", "-"}, {"stats"}} {
		p, _, stderr := newProgram(address, strings.NewReader("a\n"))
		p.stdout = brokenWriter{}
		if code := p.run(t.Context(), args); code != exitFailed || !strings.Contains(stderr.String(), "broken\nhint: ") {
			t.Errorf("%q: exit code %d, stderr %q", args, code, stderr)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

// Each refusal has an exit code and a hint, and the server's words come through.
func TestRefusals(t *testing.T) {
	p, _, _ := newProgram("a.example", nil)
	for _, tt := range []struct {
		problem *client.ProblemError
		exit    int
		hint    string
	}{
		{&client.ProblemError{Type: client.GoneType, Status: 410}, exitGone, "submit the secret again"},
		{&client.ProblemError{Type: client.UnknownJobType, Status: 404}, exitGone, "check the id"},
		{&client.ProblemError{Type: "urn:hashd:problem:full", Status: 503}, exitFailed, "--retry-for"},
		{&client.ProblemError{Type: "urn:hashd:problem:body-too-large", Status: 413}, exitFailed, "what the server takes"},
		{&client.ProblemError{Type: "about:blank", Status: 404}, exitFailed, "--server"},
	} {
		tt.problem.Detail = "The server's words."
		err := &runError{tt.problem}
		o := p.outcomeOf(t.Context(), p.command(), err)
		if o.Exit != tt.exit || !strings.Contains(o.Hint, tt.hint) || o.Status != tt.problem.Status || o.Type != tt.problem.Type || o.Detail != "The server's words." {
			t.Errorf("%v: %+v", tt.problem, o)
		}
	}
	o := p.outcomeOf(t.Context(), p.command(), &runError{client.ErrAnswer})
	if o.Exit != exitFailed || !strings.Contains(o.Hint, "http://a.example is not a hashd, or something is in front of it; --server") {
		t.Errorf("a foreign answer: %+v", o)
	}
	big := &client.ProblemError{Status: 413}
	for kept, want := range map[bool]string{false: "give a smaller --batch", true: "remove out and out.state, and give a smaller --batch"} {
		if got := (&bulkOptions{output: "out"}).hint(big, kept); got != want {
			t.Errorf("kept %v: %q, want %q", kept, got, want)
		}
	}
}

// A failure amid a cancel still tells what was canceled.
func TestCancelFails(t *testing.T) {
	proxy := newProxy(t, server(t, "--delay=1h"))
	if _, err := proxy.direct(t).SubmitBatch(t.Context(), [][]byte{{'a'}, {'b'}, {'c'}}, client.Options{}); err != nil {
		t.Fatal(err)
	}
	proxy.instead(func(w http.ResponseWriter, request string) bool {
		if request == "DELETE /hash/2" {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	})
	p, stdout, stderr := newProgram(proxy.address, nil)
	code := p.run(t.Context(), []string{"cancel", "--json", "1", "2", "3"})
	if code != exitFailed || stdout.String() != `{"canceled":[1],"missing":[]}`+"\n" || !strings.Contains(stderr.String(), `"status":500`) {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
