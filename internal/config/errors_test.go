package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// split returns the errors that were joined.
func split(err error) (list []*Error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if one, ok := errors.AsType[*Error](e); ok {
				list = append(list, one)
			}
		}
	}
	return list
}

func TestFlagAndEnvironmentErrors(t *testing.T) {
	const exposed = ` is reachable from beyond this machine, and there is no authentication without api-keys: ` +
		`anyone who reaches the port could submit, read and cancel jobs; ` +
		`listen on 127.0.0.1, [::1] or localhost, ` +
		`give the file of api-keys, or, if the network keeps strangers out, set insecure-no-auth to true`
	for _, tt := range []struct {
		name    string
		environ string
		args    []string
		want    string
	}{
		{"below", "", []string{"--delay=-1s"}, `flag --delay: "-1s" is below 0s; allowed: 0s to 24h`},
		{"above", "HASHD_DELAY=25h", nil, `environment HASHD_DELAY: "25h" is above 24h; allowed: 0s to 24h`},
		{"duration", "", []string{"--max-wait=5"}, `flag --max-wait: "5" is not a duration such as 500ms, 5s or 1h30m; allowed: 1s to 10m`},
		{"number", "HASHD_WORKERS=1.5", nil, `environment HASHD_WORKERS: "1.5" is not a whole number in plain digits; allowed: 0 to 1024`},
		{"huge number", "", []string{"--port=99999999999999999999"}, `flag --port: "99999999999999999999" is far out of range; allowed: 0 to 65535`},
		{"size", "", []string{"--max-body-bytes=16KB"}, `flag --max-body-bytes: "16KB" is not a size such as 65536, 64KiB, 1MiB, 1GiB or 1TiB; allowed: 1KiB to 1MiB`},
		{"huge size", "", []string{"--max-body-bytes=9000000TiB"}, `flag --max-body-bytes: "9000000TiB" is far out of range; allowed: 1KiB to 1MiB`},
		{"choice", "HASHD_LOG_LEVEL=loud", nil, `environment HASHD_LOG_LEVEL: unknown value "loud"; allowed: debug, info, warn or error`},
		{"bool", "HASHD_INSECURE_NO_AUTH=yes", nil, `environment HASHD_INSECURE_NO_AUTH: unknown value "yes"; allowed: true or false`},
		{"address", "", []string{"--listen=127.0.0.1"}, `flag --listen: "127.0.0.1": missing port in address; allowed: host:port, with a port from 0 to 65535`},
		{"address port", "", []string{"--listen=:http"}, `flag --listen: ":http": "http" is not a port; allowed: host:port, with a port from 0 to 65535`},
		{"address host", "", []string{"--listen=a/b:1"}, `flag --listen: "a/b:1": "a/b" is not a host; allowed: host:port, with a port from 0 to 65535`},
		{"empty", "HASHD_PORT=", nil, `environment HASHD_PORT: the value is empty; allowed: 0 to 65535`},
		{"empty path", "", []string{"--config="}, `flag --config: the value is empty; allowed: the path of a readable file`},
		{"unprintable", "", []string{"--log-format=a\nb"}, `flag --log-format: unknown value "a\nb"; allowed: text or json`},
		{"long", "", []string{"--log-format=" + strings.Repeat("é", 99)}, `flag --log-format: unknown value "` + strings.Repeat("é", 60) + `…"; allowed: text or json`},
		{"unknown", "HASHD_MAX_PENDNG=5", nil, `environment HASHD_MAX_PENDNG: there is no such setting; the nearest is HASHD_MAX_PENDING`},
		{"unknown, none given", "HASHD_", nil, `environment HASHD_: there is no such setting; the nearest is HASHD_PORT`},
		{"exposed", "HASHD_LISTEN=:80", nil, `environment HASHD_LISTEN: ":80"` + exposed},
		{"drain", "HASHD_DELAY=2m", []string{"--drain-timeout=90s"}, `flag --drain-timeout: "90s" is shorter than delay, which is "2m" (environment HASHD_DELAY); ` +
			`a job accepted just before the stop could not be finished: give at least 2m, or leave it out for delay + 30s`},
		{"drain, default delay", "", []string{"--drain-timeout=3s"}, `flag --drain-timeout: "3s" is shorter than delay, which is "5s" (default); ` +
			`a job accepted just before the stop could not be finished: give at least 5s, or leave it out for delay + 30s`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, []string{"PATH=/bin", tt.environ}, tt.args...)
			wantText(t, err, tt.want)
		})
	}
}

func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got := err.Error(); got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}

func TestFileErrors(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"bad value", "# first\ndelay: 25h", `file PATH, key delay, line 2: "25h" is above 24h; allowed: 0s to 24h`},
		{"number for a duration", "delay: 5", `file PATH, key delay, line 1: "5" is not a duration such as 500ms, 5s or 1h30m; allowed: 0s to 24h`},
		{"octal", "port: 0100", `file PATH, key port, line 1: "0100" is not a whole number in plain digits; allowed: 0 to 65535`},
		{"boolean for a number", "workers: true", `file PATH, key workers, line 1: "true" is not a whole number in plain digits; allowed: 0 to 1024`},
		{"list", "delay: [5s]", `file PATH, key delay, line 1: the value is a list; allowed: 0s to 24h`},
		{"mapping", "delay:\n  seconds: 5", `file PATH, key delay, line 1: the value is a mapping; allowed: 0s to 24h`},
		{"null", "delay:", `file PATH, key delay, line 1: the value is empty; allowed: 0s to 24h`},
		{"empty text", "delay: ''", `file PATH, key delay, line 1: the value is empty; allowed: 0s to 24h`},
		{"alias", "delay: &a 5s\nretention: *a", `file PATH, key retention, line 2: the value is an alias; allowed: 1s to 720h`},
		{"tag", "delay: !!binary NXM=", `file PATH, key delay, line 1: the value is tagged "!!binary"; allowed: 0s to 24h`},
		{"unknown key", "log-level: info\ndellay: 5s", `file PATH, key dellay, line 2: there is no such setting; the nearest is delay`},
		{"variable's name", "MAX_WAIT: 5s", `file PATH, key MAX_WAIT, line 1: there is no such setting; the nearest is max-wait`},
		{"merge key", "<<: {delay: 5s}", `file PATH, key <<, line 1: there is no such setting; the nearest is port`},
		{"absurd key", strings.Repeat("x", 1000) + ": 1", `file PATH, key ` + strings.Repeat("x", 60) + `…, line 1: there is no such setting; the nearest is trusted-proxies`},
		{"complex key", "? [delay]\n: 5s", `file PATH, line 1: the key is a list; it must be the name of a setting`},
		{"duplicate", "delay: 5s\nworkers: 2\ndelay: 6s", `file PATH, key delay, line 3: the key is already on line 1; keep one of them`},
		{"config", "config: other.yaml", `file PATH, key config, line 1: a file cannot name another; use --config or HASHD_CONFIG`},
		{"root list", "\n- delay", `file PATH: line 2: the file is a list; it must hold lines of the form name: value`},
		{"root text", "delay", `file PATH: line 1: the file is a single value; it must hold lines of the form name: value`},
		{"syntax", "delay: 5s\n\tworkers: 2", `file PATH: line 2: found a tab character that violates indentation; it must hold lines of the form name: value`},
		{"second document", "delay: 5s\n---\nworkers: 2", `file PATH: line 2: a second document begins; it must hold lines of the form name: value`},
		{"second document, malformed", "delay: 5s\n---\n[", `file PATH: line 3: did not find expected node content; it must hold lines of the form name: value`},
		{"exposed", "listen: :80\nlog-level: warn", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := write(t, tt.content)
			_, err := load(t, nil, "--config", name)
			if tt.want == "" {
				if list := split(err); len(list) != 1 || list[0].Source != "file "+name+", key listen, line 1" {
					t.Errorf("got %v", err)
				}
				return
			}
			wantText(t, err, strings.ReplaceAll(tt.want, "PATH", name))
		})
	}
}

func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "none.yaml")
	_, err := load(t, []string{"HASHD_CONFIG=" + missing})
	wantText(t, err, "environment HASHD_CONFIG: open "+missing+": no such file or directory")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is not found by errors.Is")
	}

	_, err = load(t, nil, "--config", dir)
	wantText(t, err, "flag --config: read "+dir+": is a directory")

	full, over := filepath.Join(dir, "full.yaml"), filepath.Join(dir, "over.yaml")
	comment := []byte("#" + strings.Repeat(" ", 64<<10))
	for name, size := range map[string]int{full: 64 << 10, over: 64<<10 + 1} {
		if err := os.WriteFile(name, comment[:size], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustLoad(t, nil, "--config", full)
	_, err = load(t, nil, "--config", over)
	wantText(t, err, "flag --config: "+over+" is larger than 64KiB")
}

// All that is wrong is reported at once, also a value that a higher source overrides, and
// nothing is reported twice.
func TestAllErrorsAtOnce(t *testing.T) {
	name := write(t, "workers: -1\ndellay: 5s\ndelay: [1]\n")
	_, err := load(t, []string{"HASHD_DELAY=x", "HASHD_DELAI=1s", "HASHD_LISTEN=:80", "HASHD_CONFIG=" + name},
		"--delay=25h", "--workers=1", "--drain-timeout=1ms", "--insecure-no-auth=maybe")
	var got []string
	for _, e := range split(err) {
		got = append(got, strings.TrimPrefix(e.Source, "file "+name+", ")+" ("+e.Setting+")")
	}
	want := []string{
		"key dellay, line 2 ()", "key delay, line 3 (delay)", "environment HASHD_DELAI ()",
		"key workers, line 1 (workers)", "environment HASHD_DELAY (delay)",
		"flag --insecure-no-auth (insecure-no-auth)", "flag --delay (delay)",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A check of two settings together is left out while one of them has no good value: it would
// blame a value that is not in force.
func TestNoErrorsThatFollowFromErrors(t *testing.T) {
	env := []string{"HASHD_CONFIG=" + write(t, "listen: :80\ndrain-timeout: 1s\n")}
	_, err := load(t, env, "--listen=x", "--drain-timeout=y")
	if list := split(err); len(list) != 2 || list[0].Source != "flag --listen" || list[1].Source != "flag --drain-timeout" {
		t.Errorf("got %v", err)
	}
	for _, args := range [][]string{{"--listen=:80", "--insecure-no-auth=x"}, {"--drain-timeout=1s", "--delay=x"}} {
		if _, err := load(t, nil, args...); len(split(err)) != 1 {
			t.Errorf("%q: got %v, want one error", args, err)
		}
	}
}

// In a pod, the variables that Kubernetes sets for a Service called hashd are not settings;
// misspelt ones still are refused. Elsewhere nothing is let through.
func TestServiceLinks(t *testing.T) {
	links := []string{
		"HASHD_SERVICE_HOST=10.0.0.11", "HASHD_SERVICE_PORT=80", "HASHD_SERVICE_PORT_HTTP=80",
		"HASHD_PORT=tcp://10.0.0.11:80", "HASHD_PORT_80_TCP=tcp://10.0.0.11:80",
		"HASHD_PORT_80_TCP_PROTO=tcp", "HASHD_PORT_80_TCP_PORT=80", "HASHD_PORT_80_TCP_ADDR=10.0.0.11",
		"HASHD_API_V2_SERVICE_HOST=10.0.0.12", "HASHD_API_V2_PORT=udp://10.0.0.12:80",
	}
	const pod = "KUBERNETES_SERVICE_HOST=10.0.0.1"
	c := mustLoad(t, append(links, pod, "HASHD_DELAY=7s"))
	if c.Port != nil || c.Delay.String() != "7s" {
		t.Errorf("port %v, delay %v", c.Port, c.Delay)
	}
	if c := mustLoad(t, append(links, pod, "HASHD_PORT=81")); c.Port == nil || *c.Port != 81 {
		t.Errorf("a port given as a number is lost: %v", c.Port)
	}
	for _, entry := range []string{"HASHD_PORTS=tcp://10.0.0.11:80", "HASHD_API_PORT=80", "HASHD_PORT_X_TCP=1", "HASHD_PORT=http://x", "HASHD_WORKER=1"} {
		if _, err := load(t, []string{pod, entry}); len(split(err)) != 1 {
			t.Errorf("%s: got %v, want it refused", entry, err)
		}
	}
	for _, entry := range links {
		if _, err := load(t, []string{entry}); len(split(err)) != 1 {
			t.Errorf("%s outside a pod: got %v, want it refused", entry, err)
		}
	}
}

// Where the client's variables are set, for hashctl in the same shell, the server starts; one like them
// is still a mistake.
func TestClientVariable(t *testing.T) {
	want := mustLoad(t, nil)
	if got := mustLoad(t, []string{"HASHD_SERVER=http://127.0.0.1:8080", "HASHD_API_KEY=hashd_x"}); !reflect.DeepEqual(got, want) {
		t.Errorf("it changes the settings: %+v, want %+v", got, want)
	}
	for _, entry := range []string{"HASHD_SERVERS=x", "HASHD_SERVE=x", "HASHD_API_KE=x"} {
		if _, err := load(t, []string{entry}); err == nil {
			t.Errorf("%s is taken", entry)
		}
	}
}
