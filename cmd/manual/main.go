// Command manual writes the man pages and the shell completions of hashd and hashctl, from what the programs say of
// themselves: the pages from --help of each command, the completions from 'completion'.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	into := flag.String("into", "", "folder to write man/ and completions/ to")
	made := flag.Int64("made", 0, "date of the pages, in seconds since 1970")
	flag.Parse()
	if *into == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: manual -into FOLDER -made SECONDS PROGRAM...")
		os.Exit(2)
	}
	for _, path := range flag.Args() {
		p := program{path: path, name: strings.TrimSuffix(filepath.Base(path), ".exe")}
		if err := p.write(context.Background(), *into, time.Unix(*made, 0).UTC()); err != nil {
			fmt.Fprintf(os.Stderr, "manual: %s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

// program is one that is asked.
type program struct{ path, name string }

// ask returns what the program prints.
func (p program) ask(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.path, args...) //nolint:gosec // the programs are those that the build has just made
	cmd.Env = []string{}                             // so that no setting of this machine is in it
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%q: %w", args, err)
	}
	return string(out), nil
}

// write writes all files of the program.
func (p program) write(ctx context.Context, into string, made time.Time) error {
	text, err := p.page(ctx, made)
	if err != nil {
		return err
	}
	packed := new(bytes.Buffer)
	w, _ := gzip.NewWriterLevel(packed, gzip.BestCompression) // the level is one that there is
	_, err = w.Write([]byte(text))
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	files := map[string]string{
		filepath.Join("man", p.name+".1"):    text,
		filepath.Join("man", p.name+".1.gz"): packed.String(),
	}
	for shell, name := range map[string]string{"bash": p.name + ".bash", "zsh": "_" + p.name, "fish": p.name + ".fish"} {
		if files[filepath.Join("completions", name)], err = p.ask(ctx, "completion", shell); err != nil {
			return err
		}
	}
	for name, text := range files {
		path := filepath.Join(into, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // for all to read
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // for all to read
			return err
		}
	}
	return nil
}

// page returns the man page: the help of the program, and that of each command as far as it says more.
func (p program) page(ctx context.Context, made time.Time) (string, error) {
	version, err := p.ask(ctx, "--version")
	if err != nil {
		return "", err
	}
	help, err := p.ask(ctx, "--help")
	if err != nil {
		return "", err
	}
	commands, err := p.commands(ctx)
	if err != nil {
		return "", err
	}
	all := page{name: p.name, version: strings.Fields(version)[1], made: made, help: parse(help)}
	for _, c := range commands {
		help, err := p.ask(ctx, c, "--help")
		if err != nil {
			return "", err
		}
		all.commands = append(all.commands, command{c, parse(help)})
	}
	return all.roff(), nil
}

// commands returns the names of the commands, as completion offers them.
func (p program) commands(ctx context.Context) (names []string, err error) {
	text, err := p.ask(ctx, "__complete", "")
	for line := range strings.Lines(text) {
		name, _, ok := strings.Cut(line, "\t")
		if ok && name != "help" && name != "completion" { // of which the library has the texts
			names = append(names, name)
		}
	}
	if err == nil && len(names) == 0 {
		err = errors.New("it offers no commands")
	}
	return names, err
}
