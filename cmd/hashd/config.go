package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/engine/file"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// configCommand prints or checks the settings that a server would start with.
func configCommand(settings *config.Settings, environ []string, stdout, stderr io.Writer, load func(func(loaded) error) func(*cobra.Command, []string) error) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Print or check the settings", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		return errors.New("say what: hashd config print, or hashd config check")
	}}
	c.AddCommand(&cobra.Command{
		Use:   "print",
		Short: "Print every setting in force and where it comes from",
		Args:  noArgs,
		RunE: load(func(loaded) error {
			var text strings.Builder
			if err := settings.Print(&text, environ); err != nil {
				return err
			}
			_, err := io.WriteString(stdout, auth.Redact(text.String())) // somebody may have given a token in place of a file
			return err
		}),
	}, &cobra.Command{
		Use:   "check",
		Short: "Check the settings and the files that they name",
		Args:  noArgs,
		RunE: load(func(l loaded) error {
			if err := checkFiles(l, stderr); err != nil {
				return err
			}
			_, err := fmt.Fprintln(stdout, "the settings are good")
			return err
		}),
	})
	return c
}

// checkFiles reads the files that a server reads before it opens its store, and keeps none. It warns as a start does, such as
// of a certificate that has expired.
func checkFiles(l loaded, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	files, err := openFollowed(&l.cfg, log)
	if err != nil {
		return err
	}
	files.close()
	m := &maker{loaded: l, log: log}
	switch l.cfg.Engine {
	case config.EngineJetStream:
		_, err = m.clusterFiles()
	case config.EngineFile:
		err = m.checkFolder()
	case config.EngineMemory:
	}
	return err
}

// checkFolder looks at the data folder, if it is there, and at the ring that seals what is in it.
func (m *maker) checkFolder() error {
	sealer, err := m.sealer()
	if err != nil {
		return err
	}
	dir := m.cfg.DataDir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the start makes it
		return nil
	case err != nil:
		return fmt.Errorf("data-dir: %w", err)
	case !info.IsDir():
		return fmt.Errorf("data-dir: %s is no folder", dir)
	}
	if ring := filepath.Join(dir, file.RingName); sealer == nil {
		if _, err := seal.ReadFile(ring); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
