// Package config owns the settings of the server: each one is written once, in the table of
// settings.go, from which the flags, the environment variables, the file's keys, the help and
// the table of docs/settings.md derive. It must not know what the settings are used for: not the command
// line's framework, not the server, not the engines.
//
// A value comes from the highest source that gives one: flag, environment variable, file,
// default. Every value given is checked, also one that a higher source overrides, and all
// that is wrong is reported at once.
package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"
)

// drainMargin is what the default drain-timeout adds to the delay: time to hash a full
// schedule once its last job is due, and to answer those who wait for it.
const drainMargin = 30 * time.Second

// Config holds every setting, checked: what Load returns is within all the ranges given here.
// No setting is a secret, so all of it may be logged.
type Config struct {
	// Listen is the host:port to listen on (--listen, default 127.0.0.1:8080). An empty host
	// means all interfaces. The default is loopback because nobody is asked for a key without APIKeys.
	// Address has the port applied.
	Listen string

	// Port takes the place of the port in Listen (--port, 0 to 65535, default none, which is
	// nil). Port 0 takes any free one. Most platforms hand out a port, not an address.
	Port *int

	// OpsListen is the host:port of the listener for operators (--ops-listen, default none, which is ""):
	// health and metrics for all who reach it, and profiles for this machine alone. Profiles show no memory, but whoever
	// takes one slows the server down.
	OpsListen string

	// Hosts are more hosts that a request may name (--hosts, names or IP addresses, each with or without a
	// port, separated by commas, default none, which is ""). Always allowed are localhost, loopback
	// addresses, the host of Listen and the address connected to. Without Hosts only connections over
	// loopback are checked.
	Hosts string

	// CORSOrigins are the origins whose pages may use the API from a browser (--cors-origins, origins as
	// browsers write them, such as https://app.example.com or http://localhost:3000, separated by commas,
	// default none, which is "").
	CORSOrigins string

	// TrustedProxies are the proxies that are believed who their client is (--trusted-proxies, IP addresses
	// or prefixes such as 10.0.0.0/8, separated by commas, default none, which is "").
	TrustedProxies string

	// APIKeys is the path of the file of API keys (--api-keys, default none, which is ""). If it is set,
	// only who shows one of the keys is let in. The file must exist, and is followed when it changes.
	APIKeys string

	// InsecureNoAuth allows an address beyond loopback without APIKeys (--insecure-no-auth, true or
	// false, default false): whoever reaches the port can submit, read and cancel jobs, so opening
	// it to others must be somebody's decision.
	InsecureNoAuth bool

	// TLSCert is the path of the server's certificate, in PEM (--tls-cert, default none, which is "" and
	// means no TLS). The files of TLS must exist, and are followed when they change.
	TLSCert string

	// TLSKey is the path of the private key of TLSCert, in PEM (--tls-key, default none, which is ""). It
	// is set if and only if TLSCert is.
	TLSKey string

	// TLSClientCA is the path of the root certificates for the clients' certificates, in PEM
	// (--tls-client-ca, default none, which is "" and means that clients need none). It is set only if
	// TLSCert is.
	TLSClientCA string

	// InsecureNoTLS allows an address beyond loopback with APIKeys and without TLSCert (--insecure-no-tls,
	// true or false, default false): keys and secrets then pass in clear, to a proxy at best.
	InsecureNoTLS bool

	// Delay is the time from a job's acceptance until it is due (--delay, 0s to 24h, default
	// 5s). It is fixed for the life of the process, which makes the schedule a FIFO.
	Delay time.Duration

	// Retention is how long a result is kept once done (--retention, 1s to 720h, default 1h):
	// ample for a client that polls, without keeping digests of passwords for days.
	Retention time.Duration

	// IdempotencyWindow is how long an Idempotency-Key is remembered (--idempotency-window, 1s to
	// 24h, default 10m): longer than clients go on retrying.
	IdempotencyWindow time.Duration

	// MaxWait is the longest long-poll (--max-wait, 1s to 10m, default 30s). Proxies commonly
	// give up on a silent connection after 60 seconds; the default is well under that.
	MaxWait time.Duration

	// DrainTimeout bounds a graceful stop (--drain-timeout, 0s to 48h, default delay + 30s).
	// It is never under Delay, or a job accepted just before the stop could not be finished.
	DrainTimeout time.Duration

	// Linger is how long a graceful stop of the memory engine, whose results end with the process, waits
	// for the next read of a result that was hashed while draining (--linger, 0s to 1h, default 5s).
	// It ends with DrainTimeout, or once all were read.
	Linger time.Duration

	// Drain says what a graceful stop does with pending jobs (--drain, finish or handover, default
	// finish): handing them over needs an engine that outlives the process.
	Drain Drain

	// Engine names what keeps the jobs (--engine, memory, file or jetstream, default memory).
	Engine Engine

	// FirstID is the first id that a new store gives out (--first-id, 1 to 4503599627370496, default
	// a drawn one, which is 0): for tests and demos. Each start of the memory engine makes a new
	// store; one that exists goes on with its own ids. The highest is 2^52.
	FirstID int64

	// DataDir is the folder of the file engine (--data-dir, default none, which is ""). It is set if and
	// only if Engine is file.
	DataDir string

	// RingFile is the path of the ring (--ring-file, default none, which is "" and means
	// ring.json in DataDir). If a path is given, the file must exist.
	RingFile string

	// Sync says whether the file engine waits for the disk before it answers a job (--sync, always or
	// never, default always).
	Sync Sync

	// NATSURL names servers of the cluster of the jetstream engine (--nats-url, nats:// or tls:// URLs
	// without a user, separated by commas, default none, which is ""). It is set if and only if
	// Engine is jetstream. It holds no password, since a Config can be logged.
	NATSURL string

	// NATSCreds is the path of a credentials file (--nats-creds, default none, which is "").
	NATSCreds string

	// NATSCA is the path of the root certificates for the servers' certificates, in PEM (--nats-ca,
	// default the system's, which is "").
	NATSCA string

	// NATSCert is the path of this client's certificate, in PEM (--nats-cert, default none, which is
	// "").
	NATSCert string

	// NATSKey is the path of the private key of NATSCert, in PEM (--nats-key, default none, which is
	// ""). It is set if and only if NATSCert is.
	NATSKey string

	// NATSReplicas is how many servers hold each job (--nats-replicas, 1, 3 or 5, default 3): of
	// three, one can be lost, of five two.
	NATSReplicas int

	// NATSPrefix begins the names of streams and subjects (--nats-prefix, letters, digits, - and _,
	// default hashd). It has up to 32 characters.
	NATSPrefix string

	// MaxPending is how many jobs may be accepted and not yet done (--max-pending, 1 to
	// 1000000000, default 10000000): a burst of ten million fits.
	MaxPending int64

	// MaxResults is how many jobs are held in all (--max-results, 1 to 1000000000, default
	// 20000000). Pending ones count, so the default holds the results of one full burst while
	// the next one is pending. It may be under MaxPending, and is then the limit of both.
	MaxResults int64

	// MaxSecretBytes is the memory in bytes for pending secrets longer than 52 bytes, which
	// do not fit in a job's record (--max-secret-bytes, 1MiB to 1TiB, default 1GiB). Few
	// passwords are that long: the default is room for a million of 1,024 bytes.
	MaxSecretBytes int64

	// MaxIdempotencyKeys is how many keys are remembered (--max-idempotency-keys, 1 to 100000000,
	// default 2000000). Each takes about 160 bytes.
	MaxIdempotencyKeys int64

	// MaxBodyBytes is the largest request body in bytes, except a batch's (--max-body-bytes, 1KiB to
	// 1MiB, default 16KiB). The longest password, each of its 1,024 characters escaped as two \uXXXX of
	// JSON, takes 12 KiB.
	MaxBodyBytes int64

	// MaxBatchBytes is the largest body of a batch in bytes (--max-batch-bytes, 1KiB to 256MiB,
	// default 8MiB). 10,000 passwords of 800 bytes fit; the longest there can be take 120 MiB.
	MaxBatchBytes int64

	// MaxBatchMemory is the memory in bytes for the batches that are being read at one time
	// (--max-batch-memory, 1MiB to 1TiB, default 256MiB). A batch takes twice the size of its
	// body, or all of the memory if that is less.
	MaxBatchMemory int64

	// MaxConnections is how many client connections are open at once (--max-connections, 1 to
	// 1000000, default 10000). Each costs a file descriptor and some tens of KiB of memory.
	MaxConnections int

	// AnonymousRate is how many jobs each client address may submit where no key is asked for (--anonymous-rate,
	// jobs for each s, m, h or d, at most 1000000000, default any, which is "").
	AnonymousRate string

	// MaxInFlight is how many requests are worked on at once (--max-in-flight, 0 to 1000000, default 0,
	// which means 16 per core). Work on a request only computes, so more gain nothing: where it waits,
	// for its job, the store or its client, it does not count.
	MaxInFlight int

	// Workers is how many goroutines hash (--workers, 0 to 1024, default 0, which means one per core).
	// Hashing only computes, so more workers than cores gain nothing.
	Workers int

	// ReadHeaderTimeout is the time for a request's header to arrive (--read-header-timeout,
	// 100ms to 1h, default 5s). It is short because a client that trickles holds a connection.
	ReadHeaderTimeout time.Duration

	// ReadTimeout is the time for a whole request to arrive (--read-timeout, 100ms to 1h,
	// default 10s). A body is a few KiB, which a slow mobile link carries in that time.
	ReadTimeout time.Duration

	// WriteTimeout is the time for an answer to be written (--write-timeout, 100ms to 1h,
	// default 10s), from its first byte.
	WriteTimeout time.Duration

	// IdleTimeout is how long a connection may be idle between requests (--idle-timeout,
	// 100ms to 1h, default 2m): longer than the usual 60 to 90 seconds of clients and proxies,
	// so that they close first and none sends a request into a closing connection.
	IdleTimeout time.Duration

	// LogFormat is the form of the log lines (--log-format, text or json, default text): a
	// person reads the first run, a collector asks for JSON.
	LogFormat LogFormat

	// LogLevel is the lowest severity logged (--log-level, debug, info, warn or error, default info).
	LogLevel slog.Level

	// AccessLog logs a line for each request at info (--access-log, true or false, default false). Without it those
	// lines are at debug.
	AccessLog bool

	// File is the path of the YAML file that was read (--config, default none, which is "").
	File string
}

// Address returns the host:port to listen on: Listen with Port applied.
func (c Config) Address() string {
	if c.Port == nil {
		return c.Listen
	}
	host, _, _ := net.SplitHostPort(c.Listen) // Load has checked its form
	return net.JoinHostPort(host, fmt.Sprint(*c.Port))
}

// HostList returns Hosts one by one.
func (c Config) HostList() []string {
	if c.Hosts == "" {
		return nil
	}
	return strings.Split(c.Hosts, ",")
}

// OriginList returns CORSOrigins one by one.
func (c Config) OriginList() []string {
	if c.CORSOrigins == "" {
		return nil
	}
	return strings.Split(c.CORSOrigins, ",")
}

// ProxyList returns TrustedProxies one by one.
func (c Config) ProxyList() []netip.Prefix {
	list, _ := parsePrefixes(c.TrustedProxies) // Load has checked it
	return list
}

// loopback reports whether only this machine can reach the host of Listen. Names other than
// localhost count as reachable: what they resolve to is not ours to say.
func (c Config) loopback() bool { return isLoopback(c.Listen) }

// isLoopback reports whether only this machine reaches the host:port.
func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
