package config

import (
	"log/slog"
	"slices"
	"strings"
	"time"
)

// envPrefix begins the name of each environment variable of ours.
const envPrefix = "HASHD_"

// setting is one row of the table: all there is to know of a setting.
type setting struct {
	group   string
	name    string // of the flag and of the file's key
	initial string // the default, as one would write it; "" if there is none
	none    string // what help shows for a default where initial is ""
	kind           // how text becomes a value, and which values are allowed
	usage   string
}

// env returns the name of the setting's environment variable.
func (s *setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// shown returns the default as help shows it.
func (s *setting) shown() string {
	if s.initial == "" {
		return s.none
	}
	return s.initial
}

// table returns every setting, in the order of help and of the fields of Config.
func table() []setting {
	return slices.Concat(
		group("Listening", listening()),
		group("TLS", encryption()),
		group("Jobs", jobs()),
		group("Storage", storage()),
		group("Limits", limits()),
		group("Timeouts", timeouts()),
		group("Logging", logging()),
		group("Configuration", configuration()),
	)
}

func group(name string, settings []setting) []setting {
	for i := range settings {
		settings[i].group = name
	}
	return settings
}

func listening() []setting {
	return []setting{
		{
			name: "listen", initial: "127.0.0.1:8080",
			kind: address(func(c *Config) *string { return &c.Listen }),
			usage: "Address to listen on; an empty host means all interfaces. " +
				"An address beyond loopback needs api-keys and tls-cert, or what stands in for them: insecure-no-auth, insecure-no-tls.",
		}, {
			name: "port", none: "none",
			kind: port(0, 65535, func(c *Config) **int { return &c.Port }),
			usage: "Port to listen on. It replaces the port in listen, whichever source that comes from. " +
				"0 takes any free port. If neither is set, hashd takes the variable PORT, which hosting platforms set: " +
				"on all interfaces if listen could be an address beyond loopback, else on 127.0.0.1.",
		}, {
			name: "ops-listen", none: "none",
			kind: address(func(c *Config) *string { return &c.OpsListen }),
			usage: "One more address, for operators, without keys and without TLS: /healthz, /readyz and /metrics to all who reach it, " +
				"and profiles at /debug/pprof/ to this machine alone, for go tool pprof. Without it health and metrics are on listen alone, and there are no profiles.",
		}, {
			name: "hosts", none: "none",
			kind: hostList(func(c *Config) *string { return &c.Hosts }),
			usage: "More hosts that a request may name, such as the public name of a proxy. A host without a port allows every port. " +
				"localhost, loopback addresses, the host of listen and the address connected to are always allowed. " +
				"If hosts is not set, only connections over loopback are checked.",
		}, {
			name: "cors-origins", none: "none",
			kind: originList(func(c *Config) *string { return &c.CORSOrigins }),
			usage: "Origins whose web pages may use the API from a browser, such as https://app.example.com, separated by commas. " +
				"Without it browsers give no page of another origin an answer.",
		}, {
			name: "trusted-proxies", none: "none",
			kind: prefixes(func(c *Config) *string { return &c.TrustedProxies }),
			usage: "Addresses of the proxies in front, whose Forwarded or X-Forwarded-For is believed: the client's address, for logs and rates, is the last one there that is no such proxy. " +
				"They must add to one of the two fields, and remove the other.",
		}, {
			name: "api-keys", none: "none",
			kind: path(func(c *Config) *string { return &c.APIKeys }),
			usage: "File of the API keys, which 'hashd key add' makes and changes; only who shows one of them is then let in. " +
				"Changes are taken over within 2 s. Without it there is no authentication.",
		}, {
			name: "insecure-no-auth", initial: "false",
			kind: boolean(func(c *Config) *bool { return &c.InsecureNoAuth }),
			usage: "Allow an address beyond loopback without api-keys: " +
				"anyone who reaches the port can submit, read and cancel jobs.",
		},
	}
}

func encryption() []setting {
	return []setting{
		{
			name: "tls-cert", none: "none",
			kind: path(func(c *Config) *string { return &c.TLSCert }),
			usage: "The server's certificate and those between it and its root, in PEM; with it, all of listen speaks TLS. It needs tls-key. " +
				"Changed files are taken over within 2 s; if they are no good, the last good ones stay in use and the log says so.",
		}, {
			name: "tls-key", none: "none",
			kind:  path(func(c *Config) *string { return &c.TLSKey }),
			usage: "Private key of tls-cert, in PEM. Only the user of hashd may read the file; one that belongs to root may be readable by a group.",
		}, {
			name: "tls-client-ca", none: "none",
			kind:  path(func(c *Config) *string { return &c.TLSClientCA }),
			usage: "Root certificates, in PEM. With them only clients that show a certificate of theirs, issued for clients, are let in.",
		}, {
			name: "insecure-no-tls", initial: "false",
			kind:  boolean(func(c *Config) *bool { return &c.InsecureNoTLS }),
			usage: "Allow an address beyond loopback with api-keys and without tls-cert, for a proxy that terminates TLS: whoever sees the traffic has the keys and the secrets.",
		},
	}
}

func jobs() []setting {
	return []setting{
		{
			name: "delay", initial: "5s",
			kind:  duration(0, 24*time.Hour, func(c *Config) *time.Duration { return &c.Delay }),
			usage: "Time from a job's acceptance until it is hashed; the same for every job.",
		}, {
			name: "retention", initial: "1h",
			kind:  duration(time.Second, 720*time.Hour, func(c *Config) *time.Duration { return &c.Retention }),
			usage: "How long a result is kept once done.",
		}, {
			name: "idempotency-window", initial: "10m",
			kind:  duration(time.Second, 24*time.Hour, func(c *Config) *time.Duration { return &c.IdempotencyWindow }),
			usage: "How long an Idempotency-Key is remembered.",
		}, {
			name: "max-wait", initial: "30s",
			kind:  duration(time.Second, 10*time.Minute, func(c *Config) *time.Duration { return &c.MaxWait }),
			usage: "Longest long-poll that a client can ask for with Prefer: wait.",
		}, {
			name: "drain-timeout", none: "delay + " + showDuration(int64(drainMargin)),
			kind: duration(0, 48*time.Hour, func(c *Config) *time.Duration { return &c.DrainTimeout }),
			usage: "How long a graceful stop waits for the accepted jobs before it gives up. " +
				"Refused if shorter than delay.",
		}, {
			name: "linger", initial: "5s",
			kind: duration(0, time.Hour, func(c *Config) *time.Duration { return &c.Linger }),
			usage: "How long a graceful stop of the memory engine waits for the next read of a result that was hashed while " +
				"draining. The wait ends once each was read, or at drain-timeout.",
		}, {
			name: "drain", initial: "finish",
			kind: choice("manner", func(c *Config) *Drain { return &c.Drain }, DrainFinish, DrainHandover),
			usage: "What a graceful stop does with pending jobs: finish them, or hand them over to the next start " +
				"or to other instances. A handover needs engine file or jetstream.",
		},
	}
}

func storage() []setting {
	return []setting{
		{
			name: "engine", initial: "memory",
			kind: choice("name", func(c *Config) *Engine { return &c.Engine }, EngineMemory, EngineFile, EngineJetStream),
			usage: "What keeps the jobs: memory, gone with the process; file, durable on this machine; " +
				"jetstream, on a NATS cluster that many instances share.",
		}, {
			name: "first-id", none: "a drawn one",
			kind: number(1, 1<<52, func(c *Config) *int64 { return &c.FirstID }),
			usage: "First id of a new store, for tests and demos; the others count up from it. Without it one is drawn, " +
				"so that no two stores give out the same ids. The memory engine makes a new store at each start.",
		}, {
			name: "data-dir", none: "none",
			kind:  folder(func(c *Config) *string { return &c.DataDir }),
			usage: "Folder of the file engine, made if it does not exist. One process at a time can use it.",
		}, {
			name: "ring-file", none: "none",
			kind: path(func(c *Config) *string { return &c.RingFile }),
			usage: "The ring: the keys that seal secrets and hashes wherever they leave the process. Without it ring.json in data-dir, " +
				"which is made on the first start. The jetstream engine needs one, the same for all instances. HASHD_RING can hold the ring itself instead.",
		}, {
			name: "sync", initial: "always",
			kind: choice("when", func(c *Config) *Sync { return &c.Sync }, SyncAlways, SyncNever),
			usage: "Whether the file engine waits for the disk: always, before it answers a job; or never, " +
				"which survives a crash of hashd but not of the machine.",
		}, {
			name: "nats-url", none: "none",
			kind: natsURLs(func(c *Config) *string { return &c.NATSURL }),
			usage: "Servers of the NATS cluster of the jetstream engine, separated by commas; the others are found " +
				"through them. tls:// demands TLS.",
		}, {
			name: "nats-creds", none: "none",
			kind:  path(func(c *Config) *string { return &c.NATSCreds }),
			usage: "Credentials file for NATS.",
		}, {
			name: "nats-ca", none: "the system's",
			kind:  path(func(c *Config) *string { return &c.NATSCA }),
			usage: "Root certificates, in PEM, against which the NATS servers' certificates are checked.",
		}, {
			name: "nats-cert", none: "none",
			kind:  path(func(c *Config) *string { return &c.NATSCert }),
			usage: "This client's certificate for NATS, in PEM. It needs nats-key.",
		}, {
			name: "nats-key", none: "none",
			kind:  path(func(c *Config) *string { return &c.NATSKey }),
			usage: "Private key of nats-cert, in PEM.",
		}, {
			name: "nats-replicas", initial: "3",
			kind: choice("number", func(c *Config) *int { return &c.NATSReplicas }, 1, 3, 5),
			usage: "Number of NATS servers that hold each job. A job is answered once most of them have it. " +
				"An existing stream with another number is refused.",
		}, {
			name: "nats-prefix", initial: "hashd",
			kind: natsPrefix(func(c *Config) *string { return &c.NATSPrefix }),
			usage: "Beginning of the name of every stream and subject. Instances with the same prefix are one service; " +
				"services with different prefixes can share a cluster.",
		},
	}
}

func limits() []setting {
	return []setting{
		{
			name: "max-pending", initial: "10000000",
			kind:  number(1, 1_000_000_000, func(c *Config) *int64 { return &c.MaxPending }),
			usage: "Jobs accepted and not yet done.",
		}, {
			name: "max-results", initial: "20000000",
			kind:  number(1, 1_000_000_000, func(c *Config) *int64 { return &c.MaxResults }),
			usage: "Jobs held in all, from acceptance to the end of retention: pending jobs count too.",
		}, {
			name: "max-secret-bytes", initial: "1GiB",
			kind: size(1<<20, 1<<40, func(c *Config) *int64 { return &c.MaxSecretBytes }),
			usage: "Memory for pending secrets longer than 52 bytes; " +
				"shorter ones fit in the job's record.",
		}, {
			name: "max-idempotency-keys", initial: "2000000",
			kind:  number(1, 100_000_000, func(c *Config) *int64 { return &c.MaxIdempotencyKeys }),
			usage: "Idempotency keys remembered; each takes about 160 bytes.",
		}, {
			name: "max-body-bytes", initial: "16KiB",
			kind:  size(1<<10, 1<<20, func(c *Config) *int64 { return &c.MaxBodyBytes }),
			usage: "Largest request body, except a batch's.",
		}, {
			name: "max-batch-bytes", initial: "8MiB",
			kind:  size(1<<10, 1<<28, func(c *Config) *int64 { return &c.MaxBatchBytes }),
			usage: "Largest body of a batch.",
		}, {
			name: "max-batch-memory", initial: "256MiB",
			kind: size(1<<20, 1<<40, func(c *Config) *int64 { return &c.MaxBatchMemory }),
			usage: "Memory for the batches that are being read at one time; each takes twice the size of its body. " +
				"Answers with many hashes may take as much again, 128 KiB each.",
		}, {
			name: "max-connections", initial: "10000",
			kind:  number(1, 1_000_000, func(c *Config) *int { return &c.MaxConnections }),
			usage: "Client connections open at once. At the limit idle ones are closed for new ones; if none is idle, new ones are refused.",
		}, {
			name: "anonymous-rate", none: "any",
			kind: rate(func(c *Config) *string { return &c.AnonymousRate }),
			usage: "Jobs that each client address may submit without a key: 100/s means that many at once, and as many again in each second. " +
				"With api-keys, each key has a rate of its own.",
		}, {
			name: "max-in-flight", initial: "0",
			kind: number(0, 1_000_000, func(c *Config) *int { return &c.MaxInFlight }),
			usage: "Requests worked on at once; 0 means 16 per core. Others wait, and under overload the newest go first and the oldest are " +
				"refused. Requests that wait for a job, the store or their client do not count, nor do health checks.",
		}, {
			name: "workers", initial: "0",
			kind:  number(0, 1024, func(c *Config) *int { return &c.Workers }),
			usage: "Goroutines that hash; 0 means one per core.",
		},
	}
}

func timeouts() []setting {
	const least, most = 100 * time.Millisecond, time.Hour
	return []setting{
		{
			name: "read-header-timeout", initial: "5s",
			kind:  duration(least, most, func(c *Config) *time.Duration { return &c.ReadHeaderTimeout }),
			usage: "Time for a request's header to arrive.",
		}, {
			name: "read-timeout", initial: "10s",
			kind:  duration(least, most, func(c *Config) *time.Duration { return &c.ReadTimeout }),
			usage: "Time for a whole request to arrive, header and body.",
		}, {
			name: "write-timeout", initial: "10s",
			kind:  duration(least, most, func(c *Config) *time.Duration { return &c.WriteTimeout }),
			usage: "Time for each piece of an answer to be written; a client that takes less is cut off.",
		}, {
			name: "idle-timeout", initial: "2m",
			kind:  duration(least, most, func(c *Config) *time.Duration { return &c.IdleTimeout }),
			usage: "How long a connection may be idle between two requests.",
		},
	}
}

func logging() []setting {
	return []setting{
		{
			name: "log-format", initial: "text",
			kind:  choice("format", func(c *Config) *LogFormat { return &c.LogFormat }, LogText, LogJSON),
			usage: "Form of the log lines.",
		}, {
			name: "log-level", initial: "info",
			kind: choice("level", func(c *Config) *slog.Level { return &c.LogLevel },
				slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError),
			usage: "Lowest severity that is logged.",
		}, {
			name: "access-log", initial: "false",
			kind:  boolean(func(c *Config) *bool { return &c.AccessLog }),
			usage: "Log a line for each request at level info: its id, client, method, route, status, time and trace. Else it is at debug.",
		},
	}
}

func configuration() []setting {
	return []setting{
		{
			name: "config", none: "none",
			kind: path(func(c *Config) *string { return &c.File }),
			usage: "YAML file whose keys are the names of these settings. " +
				"It cannot set config itself.",
		},
	}
}
