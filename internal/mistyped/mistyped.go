// Package mistyped finds which setting, flag or command a mistyped name was most likely meant to be.
package mistyped

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Nearest returns the one of names that is most like the given one, the first of several; "" only if
// there are no names.
func Nearest(given string, names []string) string {
	nearest, least := "", 0
	for _, name := range names {
		if d := distance(given, name); nearest == "" || d < least {
			nearest, least = name, d
		}
	}
	return nearest
}

// Guess returns what Nearest does if the given one begins it or is but a few letters away, else "".
func Guess(given string, names []string) string {
	given = strings.ToLower(given)
	for _, name := range names {
		if len(given) > 1 && strings.HasPrefix(name, given) {
			return name
		}
	}
	nearest := Nearest(given, names)
	if d := distance(given, nearest); d > max(2, len(given)/3) || d >= len(given) {
		return ""
	}
	return nearest
}

// Flag is a cobra.Command's FlagErrorFunc. It names the flag that an unknown one is most like. It does
// not quote a flag of one letter: what follows the hyphen may be a secret.
func Flag(c *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	if unknown.GetSpecifiedShortnames() != "" {
		return errors.New("the only flag of one letter is -h; all others begin with two hyphens")
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if guess := Guess(unknown.GetSpecifiedName(), names); guess != "" {
		return fmt.Errorf("%w; the nearest is --%s", err, guess)
	}
	return err
}

// Command returns which of the command's own commands the given name is most like, or "".
func Command(c *cobra.Command, given string) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return Guess(given, names)
}

// distance is how many letters must be changed, added or removed to make a of b
// (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of the part of a seen so far to each b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
