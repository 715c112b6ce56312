package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// write makes a configuration file and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hashd.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// layer is what one source gives for a setting, and the value it must become.
type layer struct {
	text string
	want any
}

// layers holds for each setting a value in the file, in the environment and as a flag.
// Neighbours differ, so that a source that is not heard shows.
var layers = map[string][3]layer{
	"listen":               {{"localhost:1", "localhost:1"}, {`[::1]:2`, "[::1]:2"}, {"127.9.9.9:3", "127.9.9.9:3"}},
	"port":                 {{"0", new(0)}, {"1", new(1)}, {"2", new(2)}},
	"hosts":                {{"a", "a"}, {"b:1", "b:1"}, {"c,[::1]:2", "c,[::1]:2"}},
	"cors-origins":         {{"https://a", "https://a"}, {"http://b:1", "http://b:1"}, {"https://c,http://[::1]:2", "https://c,http://[::1]:2"}},
	"trusted-proxies":      {{"10.0.0.0/8", "10.0.0.0/8"}, {"::1", "::1"}, {"::1,192.0.2.1", "::1,192.0.2.1"}},
	"api-keys":             {{"/a.json", "/a.json"}, {"b", "b"}, {"/a/c", "/a/c"}},
	"insecure-no-auth":     {{"true", true}, {"false", false}, {"true", true}},
	"tls-cert":             {{"a", "a"}, {"b", "b"}, {"c", "c"}},
	"tls-key":              {{"a", "a"}, {"b", "b"}, {"c", "c"}},
	"tls-client-ca":        {{"a", "a"}, {"b", "b"}, {"c", "c"}},
	"insecure-no-tls":      {{"true", true}, {"false", false}, {"true", true}},
	"delay":                {{"1s", time.Second}, {"2m", 2 * time.Minute}, {"3h", 3 * time.Hour}},
	"retention":            {{"90s", 90 * time.Second}, {"2m", 2 * time.Minute}, {"1.5h", 90 * time.Minute}},
	"idempotency-window":   {{"1s", time.Second}, {"2s", 2 * time.Second}, {"3s", 3 * time.Second}},
	"max-idempotency-keys": {{"1", int64(1)}, {"2", int64(2)}, {"3", int64(3)}},
	"max-wait":             {{"1s", time.Second}, {"2s", 2 * time.Second}, {"3s", 3 * time.Second}},
	"linger":               {{"0s", time.Duration(0)}, {"7m", 7 * time.Minute}, {"1h", time.Hour}},
	"drain-timeout":        {{"6s", 6 * time.Second}, {"7m", 7 * time.Minute}, {"8h", 8 * time.Hour}},
	"drain":                {{"handover", DrainHandover}, {"finish", DrainFinish}, {"handover", DrainHandover}},
	"engine":               {{"file", EngineFile}, {"memory", EngineMemory}, {"file", EngineFile}},
	"first-id":             {{"1", int64(1)}, {"2", int64(2)}, {"3", int64(3)}},
	"data-dir":             {{"/a", "/a"}, {"b", "b"}, {"/a/c", "/a/c"}},
	"ring-file":            {{"/a.json", "/a.json"}, {"b", "b"}, {"/a/c", "/a/c"}},
	"sync":                 {{"never", SyncNever}, {"always", SyncAlways}, {"never", SyncNever}},
	"nats-url":             {{"nats://a", "nats://a"}, {"tls://b:1", "tls://b:1"}, {"nats://c,nats://d", "nats://c,nats://d"}},
	"nats-creds":           {{"a", "a"}, {"b", "b"}, {"c", "c"}},
	"nats-ca":              {{"a", "a"}, {"b", "b"}, {"c", "c"}},
	"nats-cert":            {{"a", "a"}, {"b", "b"}, {"c", "c"}},
	"nats-key":             {{"a", "a"}, {"b", "b"}, {"c", "c"}},
	"nats-replicas":        {{"1", 1}, {"3", 3}, {"5", 5}},
	"nats-prefix":          {{"a", "a"}, {"b", "b"}, {"c", "c"}},
	"max-pending":          {{"1", int64(1)}, {"2", int64(2)}, {"3", int64(3)}},
	"max-results":          {{"1", int64(1)}, {"2", int64(2)}, {"3", int64(3)}},
	"max-secret-bytes":     {{"2097152", int64(2 << 20)}, {"3MiB", int64(3 << 20)}, {"1TiB", int64(1 << 40)}},
	"max-batch-bytes":      {{"1025", int64(1025)}, {"2KiB", int64(2 << 10)}, {"1MiB", int64(1 << 20)}},
	"max-batch-memory":     {{"1MiB", int64(1 << 20)}, {"2MiB", int64(2 << 20)}, {"1GiB", int64(1 << 30)}},
	"max-body-bytes":       {{"1025", int64(1025)}, {"2KiB", int64(2 << 10)}, {"1MiB", int64(1 << 20)}},
	"max-connections":      {{"1", 1}, {"2", 2}, {"3", 3}},
	"anonymous-rate":       {{"1/s", "1/s"}, {"2/m", "2/m"}, {"3/h", "3/h"}},
	"max-in-flight":        {{"1", 1}, {"2", 2}, {"3", 3}},
	"workers":              {{"1", 1}, {"2", 2}, {"3", 3}},
	"read-header-timeout":  {{"1s", time.Second}, {"2s", 2 * time.Second}, {"3s", 3 * time.Second}},
	"read-timeout":         {{"1s", time.Second}, {"2s", 2 * time.Second}, {"3s", 3 * time.Second}},
	"write-timeout":        {{"1s", time.Second}, {"2s", 2 * time.Second}, {"3s", 3 * time.Second}},
	"idle-timeout":         {{"1s", time.Second}, {"2s", 2 * time.Second}, {"3s", 3 * time.Second}},
	"log-format":           {{"json", LogJSON}, {"text", LogText}, {"json", LogJSON}},
	"ops-listen":           {{"localhost:1", "localhost:1"}, {"[::1]:2", "[::1]:2"}, {"127.9.9.9:3", "127.9.9.9:3"}},
	"access-log":           {{"true", true}, {"false", false}, {"true", true}},
	"log-level":            {{"debug", slog.LevelDebug}, {"warn", slog.LevelWarn}, {"error", slog.LevelError}},
}

// companions are flags without which a value would be refused.
var companions = map[string][]string{
	"drain":     {"--engine=file", "--data-dir=d"},
	"data-dir":  {"--engine=file"},
	"ring-file": {"--engine=file", "--data-dir=d"},
	"sync":      {"--engine=file", "--data-dir=d"},
	"file":      {"--data-dir=d"},

	"tls-cert":      {"--tls-key=k"},
	"tls-key":       {"--tls-cert=c"},
	"tls-client-ca": {"--tls-cert=c", "--tls-key=k"},

	"nats-url":      {"--engine=jetstream"},
	"nats-creds":    {"--engine=jetstream", "--nats-url=nats://a"},
	"nats-ca":       {"--engine=jetstream", "--nats-url=nats://a"},
	"nats-cert":     {"--engine=jetstream", "--nats-url=nats://a", "--nats-key=k"},
	"nats-key":      {"--engine=jetstream", "--nats-url=nats://a", "--nats-cert=c"},
	"nats-replicas": {"--engine=jetstream", "--nats-url=nats://a"},
	"nats-prefix":   {"--engine=jetstream", "--nats-url=nats://a"},
}

func TestPrecedence(t *testing.T) {
	for i, row := range table() {
		if row.name == "config" {
			continue // no file can give it: TestPrecedenceOfConfig
		}
		t.Run(row.name, func(t *testing.T) {
			values, ok := layers[row.name]
			if !ok {
				t.Fatal("this setting has no values in the test")
			}
			env := []string{"HASHD_CONFIG=" + write(t, fmt.Sprintf("%s: %q\n", row.name, values[0].text))}
			check := func(want any, environ []string, args ...string) {
				t.Helper()
				args = append(args, companions[row.name]...)
				args = append(args, companions[fmt.Sprint(want)]...)
				got := reflect.ValueOf(mustLoad(t, environ, args...)).Field(i).Interface()
				if !reflect.DeepEqual(got, want) {
					t.Errorf("environment %q, flags %q: got %v, want %v", environ, args, got, want)
				}
			}
			fromEnv := row.env() + "=" + values[1].text
			fromFlag := "--" + row.name + "=" + values[2].text
			check(values[0].want, env)
			check(values[1].want, []string{fromEnv})
			check(values[1].want, append(env, fromEnv))
			check(values[2].want, nil, fromFlag)
			check(values[2].want, env, fromFlag)
			check(values[2].want, append(env, fromEnv), fromFlag)
		})
	}
}

func TestPrecedenceOfConfig(t *testing.T) {
	low, high := write(t, "delay: 1s"), write(t, "delay: 2s")
	if c := mustLoad(t, []string{"HASHD_CONFIG=" + low}); c.File != low || c.Delay != time.Second {
		t.Errorf("environment alone: file %s, delay %v", c.File, c.Delay)
	}
	c := mustLoad(t, []string{"HASHD_CONFIG=" + low}, "--config", high)
	if c.File != high || c.Delay != 2*time.Second {
		t.Errorf("flag over environment: file %s, delay %v", c.File, c.Delay)
	}
}

// A file's values need no quotes.
func TestPlainFile(t *testing.T) {
	c := mustLoad(t, nil, "--config", write(t, `# a comment
listen: 0.0.0.0:80
insecure-no-auth: true
port: 8081
delay: 0s
max-body-bytes: 2KiB
workers: 3
log-level: warn
`))
	if c.Address() != "0.0.0.0:8081" || !c.InsecureNoAuth || c.Delay != 0 || c.MaxBodyBytes != 2048 ||
		c.Workers != 3 || c.LogLevel != slog.LevelWarn {
		t.Errorf("got %+v", c)
	}
}

func TestFileThatSetsNothing(t *testing.T) {
	want := mustLoad(t, nil)
	for _, content := range []string{"", "\n", "# delay: 1s\n", "---\n", "{}", "null", "\ufeff"} {
		want.File = write(t, content)
		if got := mustLoad(t, nil, "--config", want.File); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v", content, got)
		}
	}
}

func TestInsecureNoAuthNeedsNoValue(t *testing.T) {
	if c := mustLoad(t, nil, "--insecure-no-auth"); !c.InsecureNoAuth {
		t.Error("the bare flag did not set it")
	}
	if c := mustLoad(t, nil, "--insecure-no-auth", "--insecure-no-auth=false"); c.InsecureNoAuth {
		t.Error("the last of two flags did not win")
	}
}

func TestDrainTimeoutFollowsDelay(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want time.Duration
	}{
		{[]string{"--delay=0s"}, 30 * time.Second},
		{[]string{"--delay=24h"}, 24*time.Hour + 30*time.Second},
		{[]string{"--delay=1m", "--drain-timeout=1m"}, time.Minute},
		{[]string{"--delay=0s", "--drain-timeout=0s"}, 0},
	} {
		if got := mustLoad(t, nil, tt.args...).DrainTimeout; got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.args, got, tt.want)
		}
	}
}

// One setting is found by the same order of sources, whatever is wrong with the others.
func TestText(t *testing.T) {
	file, broken := write(t, "api-keys: file\ndelay: soon\n"), write(t, "delay: [")
	for name, tt := range map[string]struct {
		environ, args []string
		want          string
		fails         bool
	}{
		"none":                          {nil, nil, "", false},
		"file":                          {[]string{"HASHD_CONFIG=" + file}, nil, "file", false},
		"environment":                   {[]string{"HASHD_API_KEYS=env", "HASHD_CONFIG=" + file}, nil, "env", false},
		"flag":                          {[]string{"HASHD_API_KEYS=env"}, []string{"--api-keys=flag", "--config=" + file}, "flag", false},
		"empty flag":                    {[]string{"HASHD_API_KEYS=env"}, []string{"--api-keys="}, "", false},
		"others wrong":                  {[]string{"HASHD_API_KEYS=env", "HASHD_DELAI=1s", "HASHD_LISTEN=:80"}, []string{"--delay=soon", "--config=" + broken}, "env", false},
		"others wrong, and not found":   {[]string{"HASHD_DELAI=1s"}, []string{"--delay=soon"}, "", false},
		"the file wrong, and not found": {nil, []string{"--config=" + broken}, "", true},
		"no file":                       {nil, []string{"--config=" + broken + ".not"}, "", true},
	} {
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		settings := New(fs)
		if err := fs.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		if got, err := settings.Text("api-keys", tt.environ); got != tt.want || err != nil != tt.fails {
			t.Errorf("%s: got %q, error %v, want %q", name, got, err, tt.want)
		}
	}
}
