package config

// Engine is a value of the setting engine.
type Engine string

// The engines.
const (
	EngineMemory    Engine = "memory"
	EngineFile      Engine = "file"
	EngineJetStream Engine = "jetstream"
)

// Drain is a value of the setting drain.
type Drain string

// What a graceful stop does with pending jobs.
const (
	DrainFinish   Drain = "finish"
	DrainHandover Drain = "handover"
)

// Sync is a value of the setting sync.
type Sync string

// Whether the file engine waits for the disk.
const (
	SyncAlways Sync = "always"
	SyncNever  Sync = "never"
)

// LogFormat is a value of the setting log-format.
type LogFormat string

// The forms of log lines.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)
