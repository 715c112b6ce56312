package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/internal/config"
)

// configCommand prints or checks the settings that a server would start with.
func configCommand(settings *config.Settings, environ []string, stdout io.Writer, load func(func(loaded) error) func(*cobra.Command, []string) error) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Print or check the settings", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		return errors.New("say what: hashd config print, or hashd config check")
	}}
	c.AddCommand(&cobra.Command{
		Use:   "print",
		Short: "Print every setting in force and where it comes from",
		Args:  noArgs,
		RunE:  load(func(loaded) error { return settings.Print(stdout, environ) }),
	}, &cobra.Command{
		Use:   "check",
		Short: "Check the settings and the files that they name",
		Args:  noArgs,
		RunE: load(func(l loaded) error {
			if err := checkFiles(l); err != nil {
				return err
			}
			_, err := fmt.Fprintln(stdout, "the settings are good")
			return err
		}),
	})
	return c
}

// checkFiles reads the files that a server reads before it opens its store, and keeps none.
func checkFiles(l loaded) error {
	log := slog.New(slog.DiscardHandler)
	files, err := openFollowed(&l.cfg, log)
	if err != nil {
		return err
	}
	files.close()
	_, err = (&maker{l, log}).sealer()
	return err
}
