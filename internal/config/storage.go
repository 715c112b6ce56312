package config

import (
	"fmt"
	"strings"
)

// checkStorage refuses what would look durable and not be.
func (l *loading) checkStorage() {
	if l.bad["engine"] {
		return
	}
	engine := l.last["engine"]
	durable := l.config.Engine != EngineMemory
	if l.config.Engine == EngineFile && l.config.DataDir == "" && !l.bad["data-dir"] {
		l.refuse(engine, "engine file keeps its jobs in a folder, and data-dir names none", "give data-dir the path of a folder")
	}
	for name := range l.last {
		l.checkUsed(name)
	}
	l.checkNATS()
	if drain := l.last["drain"]; l.config.Drain == DrainHandover && !durable && !l.bad["drain"] {
		l.refuse(drain, "engine memory ends with the process, so nobody could take the jobs over",
			"set engine to file or jetstream, or drain to finish")
	}
}

// checkUsed refuses a setting that somebody gave and that the engine would ignore.
func (l *loading) checkUsed(name string) {
	if g := l.last[name]; g.source != "default" && !l.uses(name) && !l.bad[name] {
		l.refuse(g, fmt.Sprintf("engine %s does not use this setting", l.config.Engine),
			"choose an engine that uses it, or leave it out")
	}
}

// checkRing refuses a ring in the environment beside one in a file: nobody could say which of them is meant.
func (l *loading) checkRing(given bool) {
	if file, both := l.last["ring-file"]; given && both && !l.bad["ring-file"] {
		l.refuse(file, "the variable "+RingVariable+" holds a ring too", "keep one of them")
	}
}

// uses reports whether the engine uses the setting: some are for one engine alone.
func (l *loading) uses(name string) bool {
	switch {
	case name == "data-dir" || name == "sync":
		return l.config.Engine == EngineFile
	case name == "ring-file":
		return l.config.Engine != EngineMemory
	case strings.HasPrefix(name, "nats-"):
		return l.config.Engine == EngineJetStream
	}
	return true
}

// checkNATS refuses a cluster without an address, or half of a certificate.
func (l *loading) checkNATS() {
	used := l.config.Engine == EngineJetStream
	if used && l.config.NATSURL == "" && !l.bad["nats-url"] {
		l.refuse(l.last["engine"], "engine jetstream keeps its jobs on a NATS cluster, and nats-url names none",
			"give nats-url the URLs of its servers")
	}
	for name, other := range map[string]string{"nats-cert": "nats-key", "nats-key": "nats-cert"} {
		if _, missing := l.last[other]; l.last[name].setting != nil && !missing && !l.bad[other] && !l.bad[name] {
			l.refuse(l.last[name], "it is of no use without "+other, "give both or neither")
		}
	}
}
