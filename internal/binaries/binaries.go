// Package binaries builds the programs that tests and measurements run.
package binaries

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
)

// module is before the name of each command of this module.
const module = "github.com/hashd-project/hashd/v2/cmd/"

// Build builds the packages, which are of this module or pinned by tools.go, into a folder that is there.
func Build(ctx context.Context, dir string, packages ...string) error {
	return build(ctx, dir, nil, packages)
}

// BuildAsTested builds commands of this module, such as hashd, into a new folder, as the running test was built: with the race
// detector if that has it. The caller removes the folder, also after an error.
func BuildAsTested(ctx context.Context, commands ...string) (dir string, err error) {
	dir, err = os.MkdirTemp("", "hashd-test-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // tests start the binaries as nobody
		return dir, err
	}
	var flags, packages []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" || s.Key == "-tags" {
				flags = append(flags, s.Key+"="+s.Value)
			}
		}
	}
	for _, c := range commands {
		packages = append(packages, module+c)
	}
	return dir, build(ctx, dir, flags, packages)
}

func build(ctx context.Context, dir string, flags, packages []string) error {
	args := append(append([]string{"build", "-o", dir + string(os.PathSeparator)}, flags...), packages...)
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput() //nolint:gosec // folders and packages of the caller's
	if err != nil {
		return fmt.Errorf("go %q: %w\n%s", args, err, out)
	}
	return nil
}
