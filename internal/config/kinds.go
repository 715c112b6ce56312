package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind says how a setting is written and what is allowed. Whatever the source, a value
// arrives as text and is parsed here, so no source can allow what another refuses.
type kind struct {
	word    string // what stands for the value in help; "" for a flag that needs none
	allowed string // the values allowed, for help and for errors
	set     func(c *Config, text string) error
}

// at makes a kind's set function from a parser and the field that takes the value. A field is
// set only if the value is good.
func at[T any](field func(*Config) *T, parse func(string) (T, error)) func(*Config, string) error {
	return func(c *Config, text string) error {
		value, err := parse(text)
		if err == nil {
			*field(c) = value
		}
		return err
	}
}

// unit is a way to write whole numbers.
type unit struct {
	word  string
	parse func(string) (int64, error)
	show  func(int64) string
}

// ranged is the kind of all that is counted or measured.
func ranged[T ~int | ~int64](u unit, least, most T, field func(*Config) *T) kind {
	parse := func(text string) (T, error) {
		n, err := u.parse(text)
		switch {
		case err != nil:
			return 0, err
		case n < int64(least):
			return 0, fmt.Errorf("%s is below %s", quote(text), u.show(int64(least)))
		case n > int64(most):
			return 0, fmt.Errorf("%s is above %s", quote(text), u.show(int64(most)))
		}
		return T(n), nil
	}
	return kind{
		word:    u.word,
		allowed: u.show(int64(least)) + " to " + u.show(int64(most)),
		set:     at(field, parse),
	}
}

func duration(least, most time.Duration, field func(*Config) *time.Duration) kind {
	return ranged(unit{"duration", parseDuration, showDuration}, least, most, field)
}

func size(least, most int64, field func(*Config) *int64) kind {
	return ranged(unit{"size", parseSize, showSize}, least, most, field)
}

func number[T ~int | ~int64](least, most T, field func(*Config) *T) kind {
	return ranged(unit{"number", parseNumber, showNumber}, least, most, field)
}

// port is a number that may be absent, since its zero value means something.
func port(least, most int, field func(*Config) **int) kind {
	k := number(least, most, func(c *Config) *int {
		p := field(c)
		*p = new(int)
		return *p
	})
	k.word = "port"
	return k
}

func boolean(field func(*Config) *bool) kind {
	return choice("", field, true, false)
}

// choice is one of a few values, each written as it prints, in lower case.
func choice[T any](word string, field func(*Config) *T, values ...T) kind {
	var names []string
	for _, v := range values {
		names = append(names, strings.ToLower(fmt.Sprint(v)))
	}
	last := len(names) - 1
	return kind{
		word:    word,
		allowed: strings.Join(names[:last], ", ") + " or " + names[last],
		set: at(field, func(text string) (v T, _ error) {
			i := slices.Index(names, text)
			if i < 0 {
				return v, fmt.Errorf("unknown value %s", quote(text))
			}
			return values[i], nil
		}),
	}
}

func path(field func(*Config) *string) kind { return place("the path of a readable file", field) }

func folder(field func(*Config) *string) kind { return place("the path of a folder", field) }

// place is a path. Whoever uses it finds out what is there.
func place(allowed string, field func(*Config) *string) kind {
	return kind{word: "path", allowed: allowed, set: at(field, parsePath)}
}

// parsePath refuses what a file holds in place of its path, and does not quote it: a ring or a private key would be shown
// in the error that there is no such file.
func parsePath(text string) (string, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") || strings.HasPrefix(text, "-----BEGIN") || strings.ContainsAny(text, "\n\x00") {
		return "", errors.New("it is what a file holds, and not the path of one")
	}
	return text, nil
}

func natsURLs(field func(*Config) *string) kind {
	return kind{
		word:    "urls",
		allowed: "nats:// or tls:// URLs without a user, separated by commas",
		set:     at(field, parseNATSURLs),
	}
}

// parseNATSURLs refuses a user in a URL and does not quote it: it may be a password, and a
// configuration may be shown.
func parseNATSURLs(text string) (string, error) {
	for one := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(one)
		switch {
		case strings.Contains(one, "@"):
			return "", errors.New("a URL has a user, which belongs in a credentials file (nats-creds)")
		case err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "":
			return "", fmt.Errorf("%s is not a URL such as nats://127.0.0.1:4222", quote(one))
		}
	}
	return text, nil
}

// longestPrefix is the longest nats-prefix.
const longestPrefix = 32

func natsPrefix(field func(*Config) *string) kind {
	return kind{
		word:    "name",
		allowed: "letters, digits, - and _",
		set: at(field, func(text string) (string, error) {
			for _, r := range text {
				if r != '-' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') {
					return "", fmt.Errorf("%s has other characters", quote(text))
				}
			}
			if len(text) > longestPrefix {
				return "", fmt.Errorf("%s is longer than %d characters", quote(text), longestPrefix)
			}
			return text, nil
		}),
	}
}

func address(field func(*Config) *string) kind {
	return kind{
		word:    "host:port",
		allowed: "host:port, with a port from 0 to 65535",
		set:     at(field, parseAddress),
	}
}

func parseAddress(text string) (string, error) {
	host, portText, err := net.SplitHostPort(text)
	if addr, ok := errors.AsType[*net.AddrError](err); ok {
		return "", fmt.Errorf("%s: %s", quote(text), addr.Err)
	}
	if n, err := parseNumber(portText); err != nil || n < 0 || n > math.MaxUint16 {
		return "", fmt.Errorf("%s: %s is not a port", quote(text), quote(portText))
	}
	if _, err := netip.ParseAddr(host); err != nil && !isName(host) {
		return "", fmt.Errorf("%s: %s is not a host", quote(text), quote(host))
	}
	return text, nil
}

func rate(field func(*Config) *string) kind {
	return kind{
		word:    "rate",
		allowed: "jobs for each s, m, h or d, at most 1000000000",
		set: at(field, func(text string) (string, error) {
			jobs, unit, _ := strings.Cut(text, "/")
			n, err := parseNumber(jobs)
			if err != nil || n < 1 || n > 1_000_000_000 || len(unit) != 1 || !strings.Contains("smhd", unit) {
				return "", fmt.Errorf("%s is not a rate such as 100/s, 6000/m, 50000/h or 1000000/d", quote(text))
			}
			return text, nil
		}),
	}
}

func hostList(field func(*Config) *string) kind {
	return kind{
		word:    "hosts",
		allowed: "names or IP addresses, each with or without a port, separated by commas",
		set: at(field, func(text string) (string, error) {
			for one := range strings.SplitSeq(text, ",") {
				if !isHost(one) {
					return "", fmt.Errorf("%s is not a host such as hash.example.com, hash.example.com:8443 or [2001:db8::1]", quote(one))
				}
			}
			return text, nil
		}),
	}
}

// isHost reports whether text is a host, or host:port, as the header Host has it: an address of IPv6
// stands in brackets.
func isHost(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port, err = net.SplitHostPort(text + ":0")
	}
	ip, notIP := netip.ParseAddr(host)
	n, notPort := parseNumber(port)
	switch {
	case err != nil || notPort != nil || n < 0 || n > math.MaxUint16:
		return false
	case strings.HasPrefix(text, "["):
		return notIP == nil && ip.Is6()
	}
	return host != "" && isName(host)
}

// isName reports whether host has the letters of a host name, or is empty. The resolver is
// the judge of the rest; this only catches what can never be one, such as a URL.
func isName(host string) bool {
	for _, r := range strings.ToLower(host) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r) {
			return false
		}
	}
	return true
}

func parseDuration(text string) (int64, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration such as 500ms, 5s or 1h30m", quote(text))
	}
	return int64(d), nil
}

// showDuration is Duration.String without the zeros at its end: 24h, not 24h0m0s.
func showDuration(n int64) string {
	text := time.Duration(n).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// parseNumber takes plain digits, perhaps after a minus, and nothing else: YAML would read
// 010 as eight and a person as ten, so neither guess is made.
func parseNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is far out of range", quote(text))
	}
	if err != nil || showNumber(n) != text {
		return 0, fmt.Errorf("%s is not a whole number in plain digits", quote(text))
	}
	return n, nil
}

func showNumber(n int64) string { return strconv.FormatInt(n, 10) }

// sizeUnits are the suffixes of sizes; each stands for 1,024 times the one before it.
const sizeUnits = "KMGT"

// parseSize takes a number of bytes, or of KiB, MiB, GiB or TiB.
func parseSize(text string) (int64, error) {
	digits, shift := text, 0
	if rest, ok := strings.CutSuffix(text, "iB"); ok && rest != "" {
		if i := strings.IndexByte(sizeUnits, rest[len(rest)-1]); i >= 0 {
			digits, shift = rest[:len(rest)-1], 10*(i+1)
		}
	}
	n, err := parseNumber(digits)
	if err != nil {
		return 0, fmt.Errorf("%s is not a size such as 65536, 64KiB, 1MiB, 1GiB or 1TiB", quote(text))
	}
	if n > math.MaxInt64>>shift || n < math.MinInt64>>shift {
		return 0, fmt.Errorf("%s is far out of range", quote(text))
	}
	return n << shift, nil
}

// showSize writes a number of bytes in the largest unit that divides it.
func showSize(n int64) string {
	suffix := ""
	for i := 0; i < len(sizeUnits) && n != 0 && n%1024 == 0; i++ {
		n, suffix = n/1024, sizeUnits[i:i+1]+"iB"
	}
	return showNumber(n) + suffix
}

// quote returns text for an error, in quotes.
func quote(text string) string { return `"` + printable(text) + `"` }

// printable escapes what cannot be printed on one line, and cuts what is too long to be read.
func printable(text string) string {
	const longest = 60
	end := ""
	if runes := []rune(text); len(runes) > longest {
		text, end = string(runes[:longest]), "…"
	}
	quoted := strconv.Quote(text)
	return quoted[1:len(quoted)-1] + end
}
