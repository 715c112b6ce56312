// Package version says of which version and commit a program was built: by what the toolchain stamped into it or,
// where the source was an archive that git made, by what git wrote there.
package version

import (
	_ "embed"
	"runtime/debug"
	"strings"
)

// Unknown stands where nothing says more, as for a build with -buildvcs=false.
const Unknown = "unknown"

// Build is what is known of a program.
type Build struct {
	Version string // such as v2.0.0; (devel) if only a commit could say more
	Commit  string // in full, or Unknown
}

// archive is one line, which git replaces when it archives a commit: the tag before it, and its own name.
//
//go:embed archive.txt
var archive string

// Read returns what is known of the running program.
func Read() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return of(info, archive)
}

func of(info *debug.BuildInfo, archive string) Build {
	b := Build{Version: info.Main.Version, Commit: Unknown}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
	if strings.HasPrefix(archive, "$") || b.Commit != Unknown {
		archive = ""
	}
	if tag, commit, ok := strings.Cut(strings.TrimRight(archive, "\n"), " "); ok {
		b.Commit = commit
		if tag != "" && (b.Version == "" || b.Version == "(devel)") {
			b.Version = tag
		}
	}
	if b.Version == "" {
		b.Version = Unknown
	}
	return b
}
