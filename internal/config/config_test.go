package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// load parses args as flags and loads, with the environment and no other.
func load(t *testing.T, environ []string, args ...string) (Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s := New(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatalf("parsing %q: %v", args, err)
	}
	c, _, err := s.Load(environ)
	return c, err
}

// mustLoad is load where no error is expected.
func mustLoad(t *testing.T, environ []string, args ...string) Config {
	t.Helper()
	c, err := load(t, environ, args...)
	if err != nil {
		t.Fatalf("environment %q, flags %q: %v", environ, args, err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	got := mustLoad(t, nil)
	want := Config{
		Listen:             "127.0.0.1:8080",
		Delay:              5 * time.Second,
		Retention:          time.Hour,
		IdempotencyWindow:  10 * time.Minute,
		MaxIdempotencyKeys: 2_000_000,
		MaxWait:            30 * time.Second,
		DrainTimeout:       35 * time.Second,
		Linger:             5 * time.Second,
		Drain:              "finish",
		Engine:             "memory",
		Sync:               "always",
		NATSReplicas:       3,
		NATSPrefix:         "hashd",
		MaxPending:         10_000_000,
		MaxResults:         20_000_000,
		MaxSecretBytes:     1 << 30,
		MaxBodyBytes:       16 << 10,
		MaxBatchBytes:      8 << 20,
		MaxBatchMemory:     256 << 20,
		MaxConnections:     10_000,
		ReadHeaderTimeout:  5 * time.Second,
		ReadTimeout:        10 * time.Second,
		WriteTimeout:       10 * time.Second,
		IdleTimeout:        2 * time.Minute,
		LogFormat:          "text",
		LogLevel:           slog.LevelInfo,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "127.0.0.1:8080"},
		{[]string{"--port=0"}, "127.0.0.1:0"},
		{[]string{"--port=9090"}, "127.0.0.1:9090"},
		{[]string{"--listen=[::1]:80", "--port=65535"}, "[::1]:65535"},
		{[]string{"--listen=localhost:80"}, "localhost:80"},
		{[]string{"--listen=:80", "--port=81", "--insecure-no-auth"}, ":81"},
	} {
		if got := mustLoad(t, nil, tt.args...).Address(); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.args, got, tt.want)
		}
	}
	if got := (Config{Listen: "127.0.0.1:0"}).Address(); got != "127.0.0.1:0" {
		t.Errorf("without a port of its own: got %s", got)
	}
}

// The comments of Config are the manual for those who read the code: each must give the name,
// range and default that the table has.
func TestFieldCommentsAgreeWithTable(t *testing.T) {
	fields := configFields(t)
	rows := table()
	if len(fields) != len(rows) {
		t.Fatalf("%d fields, %d settings", len(fields), len(rows))
	}
	for i, row := range rows {
		want := "(--" + row.name + ", "
		if row.word != "host:port" && row.word != "path" { // these allow what no range says
			want += row.allowed + ", "
		}
		want += "default " + row.shown()
		doc := strings.Join(strings.Fields(fields[i].Doc.Text()), " ")
		if !strings.Contains(doc, want) {
			t.Errorf("the comment of %s does not contain %q:\n%s", fields[i].Names[0], want, doc)
		}
	}
}

// configFields returns the fields of Config as they stand in the source, in order.
func configFields(t *testing.T) (fields []*ast.Field) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == "Config" {
			fields = spec.Type.(*ast.StructType).Fields.List
		}
		return true
	})
	return fields
}

// Names are a promise to those who run the server: none changes by accident.
func TestNames(t *testing.T) {
	want := []string{
		"listen HASHD_LISTEN", "port HASHD_PORT", "ops-listen HASHD_OPS_LISTEN", "hosts HASHD_HOSTS", "cors-origins HASHD_CORS_ORIGINS", "trusted-proxies HASHD_TRUSTED_PROXIES", "api-keys HASHD_API_KEYS", "insecure-no-auth HASHD_INSECURE_NO_AUTH",
		"tls-cert HASHD_TLS_CERT", "tls-key HASHD_TLS_KEY", "tls-client-ca HASHD_TLS_CLIENT_CA", "insecure-no-tls HASHD_INSECURE_NO_TLS",
		"delay HASHD_DELAY", "retention HASHD_RETENTION",
		"idempotency-window HASHD_IDEMPOTENCY_WINDOW", "max-wait HASHD_MAX_WAIT",
		"drain-timeout HASHD_DRAIN_TIMEOUT", "linger HASHD_LINGER", "drain HASHD_DRAIN",
		"engine HASHD_ENGINE", "first-id HASHD_FIRST_ID", "data-dir HASHD_DATA_DIR", "ring-file HASHD_RING_FILE", "sync HASHD_SYNC",
		"nats-url HASHD_NATS_URL", "nats-creds HASHD_NATS_CREDS", "nats-ca HASHD_NATS_CA", "nats-cert HASHD_NATS_CERT",
		"nats-key HASHD_NATS_KEY", "nats-replicas HASHD_NATS_REPLICAS", "nats-prefix HASHD_NATS_PREFIX",
		"max-pending HASHD_MAX_PENDING", "max-results HASHD_MAX_RESULTS",
		"max-secret-bytes HASHD_MAX_SECRET_BYTES", "max-idempotency-keys HASHD_MAX_IDEMPOTENCY_KEYS",
		"max-body-bytes HASHD_MAX_BODY_BYTES", "max-batch-bytes HASHD_MAX_BATCH_BYTES",
		"max-batch-memory HASHD_MAX_BATCH_MEMORY",
		"max-connections HASHD_MAX_CONNECTIONS", "anonymous-rate HASHD_ANONYMOUS_RATE", "max-in-flight HASHD_MAX_IN_FLIGHT", "workers HASHD_WORKERS",
		"read-header-timeout HASHD_READ_HEADER_TIMEOUT", "read-timeout HASHD_READ_TIMEOUT",
		"write-timeout HASHD_WRITE_TIMEOUT", "idle-timeout HASHD_IDLE_TIMEOUT",
		"log-format HASHD_LOG_FORMAT", "log-level HASHD_LOG_LEVEL", "access-log HASHD_ACCESS_LOG",
		"config HASHD_CONFIG",
	}
	var got []string
	for _, row := range table() {
		got = append(got, row.name+" "+row.env())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestFlagsAreTheTable(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	New(fs)
	var got, want []string
	fs.SortFlags = false
	fs.VisitAll(func(f *pflag.Flag) { got = append(got, f.Name+" "+f.Value.Type()+" "+f.DefValue) })
	for _, row := range table() {
		want = append(want, row.name+" "+row.word+" "+row.initial)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOriginList(t *testing.T) {
	for text, want := range map[string][]string{"": nil, "https://a": {"https://a"}, "https://a,http://b:1": {"https://a", "http://b:1"}} {
		if got := (Config{CORSOrigins: text}).OriginList(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestProxyList(t *testing.T) {
	got := Config{TrustedProxies: "10.0.0.0/8,192.0.2.1,2001:db8::1"}.ProxyList()
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::1/128")}
	if !slices.Equal(got, want) || len(Config{}.ProxyList()) > 0 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestHostList(t *testing.T) {
	for hosts, want := range map[string][]string{"": nil, "a": {"a"}, "a,b:1,[::1]:2": {"a", "b:1", "[::1]:2"}} {
		if got := (Config{Hosts: hosts}).HostList(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", hosts, got, want)
		}
	}
}
