package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/hashd-project/hashd/v2/internal/needs"
	"github.com/hashd-project/hashd/v2/internal/transcript"
)

// firefox is a headless Firefox with one tab, driven by WebDriver BiDi.
type firefox struct {
	conn net.Conn
	tab  string

	mu      sync.Mutex
	last    int
	pending map[int]chan<- answered
	faults  []string // errors that were written to the console
}

type answered struct {
	result json.RawMessage
	err    error
}

// The settings of a profile that asks for nothing from the network and tells nobody anything.
const quiet = `user_pref("app.update.disabledForTesting", true);
user_pref("app.normandy.enabled", false);
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.startup.homepage", "about:blank");
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.push.connection.enabled", false);
user_pref("extensions.autoDisableScopes", 0);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.dns.disablePrefetch", true);
user_pref("remote.active-protocols", 1);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("signon.rememberSignons", false);
user_pref("toolkit.telemetry.server", "data:,");
`

// openFirefox starts a Firefox, which ends with the test.
func openFirefox(t *testing.T) *firefox {
	t.Helper()
	program, err := exec.LookPath("firefox")
	if err != nil {
		program = needs.Tool(t, "firefox-esr", needs.Debian("firefox-esr"))
	}
	home := t.TempDir()
	write(t, filepath.Join(home, "user.js"), []byte(quiet))
	cmd := exec.Command(program, "--headless", "--no-remote", "--profile", home, "--remote-debugging-port=0", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home, "MOZ_CRASHREPORTER_DISABLE=1", "MOZ_DISABLE_CONTENT_SANDBOX=1")
	said, ended := transcript.New(), make(chan struct{})
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	f := &firefox{pending: make(map[int]chan<- answered)}
	t.Cleanup(func() { f.end(cmd, ended) })
	f.connect(t, said)
	return f
}

// connect makes a session, once Firefox says where it listens.
func (f *firefox) connect(t *testing.T, said *transcript.Transcript) {
	t.Helper()
	listening := regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)
	var address []string
	for end := time.Now().Add(patience); address == nil; time.Sleep(20 * time.Millisecond) {
		if address = listening.FindStringSubmatch(said.String()); time.Now().After(end) {
			t.Fatalf("Firefox does not listen:\n%s", said)
		}
	}
	conn, _, _, err := ws.Dial(t.Context(), address[1]+"/session")
	if err != nil {
		t.Fatal(err)
	}
	f.conn = conn
	go f.read()
	f.do(t, "session.new", `{"capabilities": {}}`, nil)
	var tree struct{ Contexts []struct{ Context string } }
	f.do(t, "browsingContext.getTree", `{}`, &tree)
	f.tab = tree.Contexts[0].Context
	f.do(t, "session.subscribe", `{"events": ["log.entryAdded"]}`, nil)
}

// end closes Firefox, kindly if that is possible.
func (f *firefox) end(cmd *exec.Cmd, ended <-chan struct{}) {
	if f.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience/4)
		defer cancel()
		_ = f.try(ctx, "browser.close", `{}`, nil)
		select {
		case <-ended:
		case <-ctx.Done():
		}
		_ = f.conn.Close()
	}
	_ = cmd.Process.Kill() // fails if it has ended
	<-ended
}

// read takes answers and events until the connection ends.
func (f *firefox) read() {
	for {
		text, err := wsutil.ReadServerText(f.conn)
		if err != nil {
			f.lost(err)
			return
		}
		var m struct {
			Type, Error, Message, Method string
			ID                           int
			Result                       json.RawMessage
			Params                       struct{ Level, Text string }
		}
		_ = json.Unmarshal(text, &m) // what is no message of the protocol answers nothing
		f.mu.Lock()
		switch waits := f.pending[m.ID]; {
		case m.Type == "event" && (m.Params.Level == "error" || m.Params.Level == "warn"):
			f.faults = append(f.faults, m.Params.Text)
		case waits != nil && m.Type == "error":
			waits <- answered{err: fmt.Errorf("%s: %s", m.Error, m.Message)}
		case waits != nil:
			waits <- answered{result: m.Result}
		}
		delete(f.pending, m.ID)
		f.mu.Unlock()
	}
}

// lost tells those who wait that there will be no answer.
func (f *firefox) lost(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, waits := range f.pending {
		waits <- answered{err: err}
		delete(f.pending, id)
	}
}

func (f *firefox) try(ctx context.Context, method, params string, result any) error {
	waits := make(chan answered, 1)
	f.mu.Lock()
	f.last++
	f.pending[f.last] = waits
	err := wsutil.WriteClientText(f.conn, fmt.Appendf(nil, `{"id": %d, "method": %q, "params": %s}`, f.last, method, params))
	f.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case a := <-waits:
		if a.err != nil || result == nil {
			return a.err
		}
		return json.Unmarshal(a.result, result)
	case <-ctx.Done():
		return errors.New("no answer")
	}
}

func (f *firefox) do(t *testing.T, method, params string, result any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.try(ctx, method, params, result); err != nil {
		t.Fatalf("Firefox, %s: %v", method, err)
	}
}

// navigate opens a page and waits until it is loaded.
func (f *firefox) navigate(t *testing.T, address string) {
	t.Helper()
	f.do(t, "browsingContext.navigate", fmt.Sprintf(`{"context": %q, "url": %q, "wait": "complete"}`, f.tab, address), nil)
}

// until waits until an expression is true in the page, and returns its value as text.
func (f *firefox) until(t *testing.T, expression string) string {
	t.Helper()
	look := fmt.Sprintf(`new Promise(tell => { const end = performance.now() + %d; const look = async () => {
		const there = await (%s); if (there || performance.now() > end) tell(there ? String(there) : ""); else setTimeout(look, 40); }; look(); })`,
		(patience / 2).Milliseconds(), expression)
	var got struct {
		Type   string
		Result struct{ Value string }
	}
	f.do(t, "script.evaluate", fmt.Sprintf(`{"expression": %s, "target": {"context": %q}, "awaitPromise": true}`, quote(look), f.tab), &got)
	if got.Type != "success" || got.Result.Value == "" {
		t.Fatalf("Firefox, never: %s", expression)
	}
	return got.Result.Value
}

// keys presses and releases keys, one after the other.
func (f *firefox) keys(t *testing.T, keys string) {
	t.Helper()
	var actions []string
	for _, k := range keys {
		actions = append(actions, fmt.Sprintf(`{"type": "keyDown", "value": %s}, {"type": "keyUp", "value": %[1]s}`, quote(string(k))))
	}
	f.do(t, "input.performActions", fmt.Sprintf(`{"context": %q, "actions": [{"type": "key", "id": "keyboard", "actions": [%s]}]}`,
		f.tab, strings.Join(actions, ", ")), nil)
}

// wantClean fails the test if the page wrote an error, as what its policy forbids is one.
func (f *firefox) wantClean(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.faults) > 0 {
		t.Errorf("Firefox: %q", f.faults)
	}
}

// In Firefox a secret that is typed brings its hash, and the page keeps to its policy.
func TestPageInFirefox(t *testing.T) {
	t.Parallel()
	f, s := openFirefox(t), start(t, "--delay=3s")
	f.navigate(t, "http://"+s.address+"/")
	f.until(t, stateIs("Ready"))
	f.until(t, lookOut(rowIs(0, "due in")))
	f.keys(t, "/"+"angryFirefox"+enterKey)
	f.until(t, `seen`)
	f.until(t, hashIs(0, hashOf("angryFirefox")))
	if left := f.until(t, everything); strings.Contains(left, "angryFirefox") {
		t.Error("the secret is in the page")
	}
	f.until(t, `document.querySelectorAll("#charts canvas").length === 4`)
	f.until(t, `document.documentElement.scrollWidth <= innerWidth`)
	f.wantClean(t)
}

// enterKey is the key Enter in WebDriver.
const enterKey = "\ue007"
