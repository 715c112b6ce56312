package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/internal/seal"
)

// ringCommand makes and rotates rings.
func ringCommand(stdout io.Writer, signals <-chan os.Signal) *cobra.Command {
	ring := &cobra.Command{Use: "ring", Short: "Make or rotate a ring", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		return fmt.Errorf("say what: hashd ring create FILE, or hashd ring rotate FILE")
	}}
	on := func(use, short, done string, do func(path string) error) *cobra.Command {
		return &cobra.Command{Use: use + " FILE", Short: short, Args: cobra.ExactArgs(1), RunE: once(signals, func(args []string) error {
			if err := do(args[0]); err != nil {
				return &failure{err}
			}
			_, err := fmt.Fprintf(stdout, done+"\n", args[0])
			return err
		})}
	}
	ring.AddCommand(
		on("create", "Write a new ring to a file that is not there yet", "created %s", seal.CreateFile),
		on("rotate", "Add a new key to a ring, which seals from the next start on", "rotated %s; restart hashd to use the new key", seal.RotateFile),
	)
	return ring
}
