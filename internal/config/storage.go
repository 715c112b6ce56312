package config

import "fmt"

// checkStorage refuses what would look durable and not be.
func (l *loading) checkStorage() {
	if l.bad["engine"] {
		return
	}
	engine := l.last["engine"]
	durable := l.config.Engine != "memory"
	if l.config.Engine == "file" && l.config.DataDir == "" && !l.bad["data-dir"] {
		l.refuse(engine, "engine file keeps its jobs in a folder, and data-dir names none", "give data-dir the path of a folder")
	}
	for name, needed := range map[string]bool{"data-dir": l.config.Engine == "file", "key-file": durable} {
		if g, ok := l.last[name]; ok && !needed && !l.bad[name] {
			l.refuse(g, fmt.Sprintf("engine %s does not use it, so nothing would be kept there", l.config.Engine),
				"set engine to one that does, or leave this out")
		}
	}
	if drain := l.last["drain"]; l.config.Drain == "handover" && !durable && !l.bad["drain"] {
		l.refuse(drain, "engine memory ends with the process, so nobody could take the jobs over", "set engine to file, or drain to finish")
	}
}
