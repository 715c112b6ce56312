package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/certs/certstest"
	"github.com/hashd-project/hashd/v2/internal/needs"
	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// onTerminal is a hashd that runs inside the test, and what a person sees of it.
type onTerminal struct {
	screen  *transcript.Transcript
	signals chan os.Signal
	ended   chan int // gets its exit code
}

// atTerminal runs hashd on a terminal; with elsewhere, its log goes there instead.
func atTerminal(t *testing.T, elsewhere io.Writer, args ...string) *onTerminal {
	t.Helper()
	person, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	log := io.Writer(tty)
	if elsewhere != nil {
		log = elsewhere
	}
	h := &onTerminal{screen: transcript.New(), signals: make(chan os.Signal, 8), ended: make(chan int, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(h.screen, person) // ends with an error when the terminal is closed
	}()
	go func() {
		code := execute(append(args, "--port=0", "--linger=0s"), nil, tty, log, h.signals)
		_ = tty.Close()
		<-read // all that there is to see
		_ = person.Close()
		h.ended <- code
	}()
	t.Cleanup(func() {
		for range 3 {
			h.signals <- syscall.SIGINT
		}
		<-read
	})
	return h
}

// await returns what the pattern matches on the screen, once it does.
func (h *onTerminal) await(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		text := strings.ReplaceAll(h.screen.String(), "\r\n", "\n")
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		if time.Now().After(end) {
			t.Fatalf("no %s in:\n%s", pattern, text)
		}
	}
}

// What stands between the text before the first request and the text after it is run by a shell as it stands.
const firstOfAll = `(?s)\n\nTry it[^\n]*:\n\n(.*?)\n\nCtrl-C stops hashd`

// Whatever guards the server, the request that a terminal shows first is taken.
func TestFirstRequestIsTakenAsItStands(t *testing.T) {
	t.Parallel()
	needs.Processes(t)
	needs.Tool(t, "curl", needs.Debian("curl"))
	dir := filepath.Join(t.TempDir(), "what it's called")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	_, token, err := auth.Add(in("keys.json"), auth.Wish{Name: "one", Scopes: auth.Submit}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	roots := certstest.NewAuthority(t)
	cert, key := roots.Server(t, time.Hour)
	certstest.Write(t, cert, key, in("here.crt"), in("here.key"))
	cert, key = roots.Elsewhere(t, "hashd.example.com")
	certstest.Write(t, cert, key, in("there.crt"), in("there.key"))
	if err := os.WriteFile(in("clients.crt"), certstest.NewAuthority(t).PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	keys := "--api-keys=" + in("keys.json")
	cases := map[string][]string{
		"plain":                 nil,
		"keys":                  {keys},
		"TLS":                   {"--tls-cert=" + in("here.crt"), "--tls-key=" + in("here.key")},
		"TLS of another name":   {"--tls-cert=" + in("there.crt"), "--tls-key=" + in("there.key"), "--hosts=example.com"},
		"certificates and keys": {"--tls-cert=" + in("here.crt"), "--tls-key=" + in("here.key"), "--tls-client-ca=" + in("clients.crt"), keys},
		"on every interface":    {"--listen=:0", "--tls-cert=" + in("there.crt"), "--tls-key=" + in("there.key"), keys},
	}
	if l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "[::1]:0"); err == nil { // there may be no IPv6
		_ = l.Close()
		cases["IPv6"] = []string{"--listen=[::1]:0"}
	}
	for name, args := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := atTerminal(t, nil, append(args, "--delay=0s")...)
			line := h.await(t, firstOfAll)[1]
			if strings.Contains(line, token) {
				t.Error("the token is shown")
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
			cmd.Env, cmd.Dir = append(os.Environ(), "HASHD_API_KEY="+token), t.TempDir()
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `"algorithm":"sha512"`) {
				t.Errorf("%s\n%s\nerror %v", line, out, err)
			}
		})
	}
}

// A terminal shows addresses that answer, and the limits in force.
func TestTerminalShowsAddressesAndLimits(t *testing.T) {
	t.Parallel()
	h := atTerminal(t, nil, "--ops-listen=127.0.0.1:0", "--max-pending=7", "--max-connections=5")
	h.await(t, `\n  limits  7 jobs pending, 20000000 in all, 5 connections\n`)
	for _, url := range h.await(t, `\n  page    (\S+)\n  API     (\S+), documented at (\S+)\n  health  (\S+), metrics at (\S+)\n`)[1:] {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Do(request)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", url, answer.Status)
		}
	}
}

// Where a program reads, or a person has asked for less, nothing is there but the log.
func TestBannerIsForPeople(t *testing.T) {
	t.Parallel()
	log := transcript.New()
	h := atTerminal(t, log, "--log-format=text") // on standard output, beside a log that goes elsewhere
	h.await(t, "hashd is ready")
	h.signals <- syscall.SIGINT
	if code := <-h.ended; code != exitOK || strings.Contains(log.String(), "ready") || strings.Contains(h.screen.String(), "msg=") {
		t.Errorf("exit code %d, log %s, terminal %s", code, log, h.screen)
	}
	for level, args := range map[string][]string{"json": {"--log-format=json"}, "warn": {"--log-level=warn", "--max-connections=1000000"}} {
		h := atTerminal(t, nil, args...)
		if level == "json" {
			h.await(t, `"msg":"listening"`)
		} else {
			h.await(t, `fewer connections`) // which it says once it listens
		}
		h.signals <- syscall.SIGINT
		if code := <-h.ended; code != exitOK || strings.Contains(h.screen.String(), "ready.") || strings.Contains(h.screen.String(), "draining,") {
			t.Errorf("%q: exit code %d, terminal %s", args, code, h.screen)
		}
	}
}

// A drain on a terminal counts down in one line, which no line of the log is mixed with and which is gone in the end.
func TestDrainCountsDownOnATerminal(t *testing.T) {
	t.Parallel()
	h := atTerminal(t, nil, "--delay=1h", "--first-id=1")
	h.submit(t)
	h.submit(t)
	h.signals <- syscall.SIGTERM
	h.await(t, `draining, jobs left: 2 \(\S+ at most\)`)
	h.signals <- syscall.SIGTERM
	h.await(t, `\n[^\n]*already draining[^\n]*\n[^\n]*draining, jobs left: 2 \(\S+ at most\)`)
	h.ask(t, http.MethodDelete, "/hash/1", "")
	h.await(t, `draining, jobs left: 1 \(\S+ at most\)`)
	h.ask(t, http.MethodDelete, "/hash/2", "")
	if code := <-h.ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
	h.wantNothingLeft(t)
}

// Nor does it leave anything where a person does not want to wait.
func TestInterruptedDrainLeavesTheTerminalClean(t *testing.T) {
	t.Parallel()
	h := atTerminal(t, nil, "--delay=1h")
	h.submit(t)
	h.signals <- syscall.SIGINT
	h.await(t, `draining, jobs left: 1 \(\S+ at most\)`)
	h.signals <- syscall.SIGINT
	if code := <-h.ended; code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	h.wantNothingLeft(t)
}

// submit submits a job.
func (h *onTerminal) submit(t *testing.T) {
	t.Helper()
	h.ask(t, http.MethodPost, "/hash", `{"password":"angryMonkey"}`)
}

// ask sends a request to the address on the screen, which must be a success.
func (h *onTerminal) ask(t *testing.T, method, path, body string) {
	t.Helper()
	url := h.await(t, `\n  API     (\S+),`)[1]
	request, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s", method, path, answer.Status)
	}
}

// wantNothingLeft looks at the lines as a person sees them in the end.
func (h *onTerminal) wantNothingLeft(t *testing.T) {
	t.Helper()
	for line := range strings.SplitSeq(strings.ReplaceAll(h.screen.String(), "\r\n", "\n"), "\n") {
		visible := line[strings.LastIndex(line, "\r")+1:]
		if strings.HasPrefix(visible, "draining,") || strings.Contains(visible, "msg=") && !strings.HasPrefix(visible, "time=") {
			t.Errorf("it leaves %q", visible)
		}
	}
}
