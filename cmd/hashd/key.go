package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/internal/auth"
)

const keyHelp = `hashd key keeps the API keys of a server in a file. A server that runs takes changes over within 2 s.

Usage:
  hashd key add NAME [flags]     add a key, and print its token: the only time that it is shown
  hashd key list                 print all keys as a table, without their tokens
  hashd key revoke NAME          end the key at once
  hashd key rotate NAME [flags]  print a new token for the key; the old one stays valid for a while

Flags of all:
  --api-keys path       the file, which add makes if it is not there [HASHD_API_KEYS]

Flags of add:
  --tenant name         whose jobs the key is for: keys of one tenant see the same jobs (default default)
  --scope list          of submit, read, cancel, stats, metrics and admin, separated by commas
                        (default submit,read,cancel,stats)
  --rate number/unit    how many jobs may be submitted in an s, m, h or d, such as 100/s (default any number)
  --quota number        how many jobs may be pending at one time (default any number)
  --expires duration    how long the key is valid, such as 90d or 12h (default for ever)

Flags of rotate:
  --overlap duration    how long the old token stays valid, such as 24h; 0s ends it at once (default 24h)

Names of keys and tenants have up to 63 of a-z, 0-9, dot, _ and -, the first a letter or a digit.
`

// keyring is the command that keeps the keys file.
type keyring struct {
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	where          func() (file string, err error)
}

func (r *keyring) command() *cobra.Command {
	key := &cobra.Command{Use: "key", Short: "Add, list, revoke or rotate API keys", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		return errors.New("say what: hashd key add NAME, list, revoke NAME or rotate NAME")
	}}
	key.AddCommand(r.add(), r.list(), r.revoke(), r.rotate())
	return key
}

// on returns what runs do with the file and the name, if the command has one.
func (r *keyring) on(do func(file, name string) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		name := ""
		if len(args) > 0 {
			name = args[0]
			if err := auth.CheckName(name); err != nil {
				return err
			}
		}
		return untilDone(r.signals, func() error {
			file, err := r.where()
			if err != nil {
				return err
			}
			if file == "" {
				return errors.New("say which file: --api-keys FILE, or HASHD_API_KEYS")
			}
			if err := do(file, name); err != nil {
				return &failure{err}
			}
			return nil
		})
	}
}

// oneName wants one argument, and quotes none: it may be a token.
func oneName(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("give one name: hashd key %s NAME", c.Name())
	}
	return nil
}

func (r *keyring) add() *cobra.Command {
	var w auth.Wish
	c := &cobra.Command{Use: "add NAME", Short: "Add a key, and print its token", Args: oneName, RunE: r.on(func(file, name string) error {
		w.Name = name
		k, token, err := auth.Add(file, w, time.Now())
		if err != nil {
			return err
		}
		return r.show(token, "added", file, k)
	})}
	c.Flags().Func("tenant", "whose jobs the key is for", func(text string) error {
		w.Tenant = text
		return auth.CheckName(text)
	})
	c.Flags().Func("scope", "what the key allows", func(text string) error {
		scopes, err := auth.ParseScopes(text)
		w.Scopes |= scopes
		return err
	})
	c.Flags().Func("rate", "how many jobs may be submitted in a time", func(text string) (err error) {
		w.Rate, err = auth.ParseRate(text)
		return err
	})
	c.Flags().Func("quota", "how many jobs may be pending", func(text string) (err error) {
		w.Quota, err = auth.ParseQuota(text)
		return err
	})
	c.Flags().Func("expires", "how long the key is valid", func(text string) (err error) {
		w.Life, err = auth.ParseDuration(text)
		if err == nil && w.Life < time.Second {
			return errors.New("a key is valid for 1s at least")
		}
		return err
	})
	return c
}

func (r *keyring) rotate() *cobra.Command {
	overlap := 24 * time.Hour
	c := &cobra.Command{Use: "rotate NAME", Short: "Print a new token for a key", Args: oneName, RunE: r.on(func(file, name string) error {
		k, token, err := auth.Rotate(file, name, overlap, time.Now())
		if err != nil {
			return err
		}
		return r.show(token, "rotated", file, k)
	})}
	c.Flags().Func("overlap", "how long the old token stays valid", func(text string) (err error) {
		overlap, err = auth.ParseDuration(text)
		return err
	})
	return c
}

// show prints a token, alone, so that a shell can catch it, and says on stderr what it is.
func (r *keyring) show(token, done, file string, k auth.Key) error {
	if _, err := fmt.Fprintln(r.stdout, token); err != nil {
		return fmt.Errorf("%s key %s (%s) in %s, but its token could not be printed and is lost: revoke the key: %w", done, k.Name, k.ID, file, err)
	}
	_, _ = fmt.Fprintf(r.stderr, "%s key %s (%s) in %s; its token is not shown again\n", done, k.Name, k.ID, file)
	return nil
}

func (r *keyring) revoke() *cobra.Command {
	return &cobra.Command{Use: "revoke NAME", Short: "End a key at once", Args: oneName, RunE: r.on(func(file, name string) error {
		revoked, err := auth.Revoke(file, name, time.Now())
		for _, k := range revoked {
			if err == nil {
				_, err = fmt.Fprintf(r.stdout, "revoked key %s (%s)\n", k.Name, k.ID)
			}
		}
		return err
	})}
}

func (r *keyring) list() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "Print all keys", Args: noArgs, RunE: r.on(func(file, _ string) error {
		keys, err := auth.ReadFile(file)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(r.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "NAME\tID\tTENANT\tSCOPES\tSTATE\tRATE\tQUOTA\tCREATED\tEXPIRES")
		for k := range keys.All() {
			_, _ = fmt.Fprintln(table, row(k, time.Now())) // Flush returns the error
		}
		return table.Flush()
	})}
}

// row is a line of the table.
func row(k *auth.Key, now time.Time) string {
	state, quota, expires := "valid", "-", "-"
	switch {
	case !k.Revoked.IsZero():
		state = "revoked"
	case !k.Valid(now):
		state = "expired"
	}
	if k.Quota > 0 {
		quota = strconv.FormatInt(k.Quota, 10)
	}
	if !k.Expires.IsZero() {
		expires = k.Expires.Format(time.RFC3339)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", k.Name, k.ID, k.Tenant, k.Scopes, state,
		cmp.Or(k.Rate.String(), "-"), quota, k.Created.Format(time.RFC3339), expires)
}
