package strict

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// What is wrong with a value, and "" if nothing is. Bodies and parameters are held to the same rules.

// text judges a string of shortest to longest characters that matches the pattern; "" is none.
func text(s string, shortest, longest int, pattern string) string {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		return "must be text in UTF-8"
	case n < shortest || n > longest:
		return outside(int64(shortest), int64(longest), " characters") + " long"
	case pattern != "" && !compiled(pattern).MatchString(s):
		return "must match " + pattern
	}
	return ""
}

// patterns are those of the contract, compiled when they are first needed.
var patterns sync.Map // of *regexp.Regexp by its text

func compiled(pattern string) *regexp.Regexp {
	if p, ok := patterns.Load(pattern); ok {
		return p.(*regexp.Regexp)
	}
	p := regexp.MustCompile(pattern) // the templates have seen that it can be
	patterns.Store(pattern, p)
	return p
}

// oneOf returns the value among those listed.
func oneOf(s string, values []string) (value, wrong string) {
	for _, v := range values {
		if v == s {
			return v, ""
		}
	}
	return "", "must be one of " + strings.Join(values, ", ")
}

func integer(n int64, err error, lowest, highest int64) string {
	if err != nil || n < lowest || n > highest {
		return "must be an integer " + outside(lowest, highest, "")[len("must be "):]
	}
	return ""
}

// number reads a number as JSON writes it, of lowest to highest.
func number(raw string, lowest, highest float64) (n float64, wrong string) {
	n, err := strconv.ParseFloat(raw, 64)
	if value := jsontext.Value(raw); err != nil || n < lowest || n > highest || value.Kind() != '0' || !value.IsValid() || strings.TrimSpace(raw) != raw {
		return 0, "must be a number from " + short(lowest) + " to " + short(highest)
	}
	return n, ""
}

func short(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }

// boolean reads the one spelling that each value has.
func boolean(raw string) (value bool, wrong string) {
	if raw != "true" && raw != "false" {
		return false, "must be true or false"
	}
	return raw == "true", ""
}

// items says what is wrong with an array whose number of items is not from fewest to most.
func items(fewest, most int) string {
	return "must be an array of " + span(int64(fewest), int64(most)) + " items"
}

// New makes room for a value that may be absent, and returns it.
func New[T any](to **T) *T {
	*to = new(T)
	return *to
}

// Append adds an item to the list, and returns it.
func Append[S ~[]T, T any](list *S) *T {
	*list = append(*list, *new(T))
	return &(*list)[len(*list)-1]
}
