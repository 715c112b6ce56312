package auth

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestScopes(t *testing.T) {
	for text, want := range map[string]Scopes{
		"submit": Submit, "read": Read, "cancel": Cancel, "stats": Stats, "metrics": Metrics, "admin": Admin,
		"read,submit": Submit | Read, "admin,stats,cancel,metrics,read,submit": 1<<6 - 1,
	} {
		if got, err := ParseScopes(text); err != nil || got != want {
			t.Errorf("%s: %v, error %v", text, got, err)
		}
	}
	for _, text := range []string{"", ",", "read,", ",read", "read,read", "Read", " read", "read, submit", "write", "all", "*"} {
		if got, err := ParseScopes(text); err == nil || got != 0 {
			t.Errorf("%q is %v", text, got)
		}
	}
	if !(Submit | Read).Has(Read) || (Submit | Read).Has(Read|Cancel) || !Read.Has(0) || DefaultScopes.Has(Admin) || DefaultScopes.Has(Metrics) {
		t.Error("Has")
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]Rate{
		"1/s": {1, time.Second}, "6000/m": {6000, time.Minute}, "1000000000/h": {maxJobs, time.Hour}, "5/d": {5, 24 * time.Hour},
	} {
		if got, err := ParseRate(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, error %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/", "1", "1/", "/s", "0/s", "-1/s", "+1/s", "01/s", "1.5/s", "1000000001/s", "1/S", "1/sec", "1/2s", "1 /s", "1/s/s", "1e3/s", "9223372036854775808/s"} {
		if got, err := ParseRate(text); err == nil || got != (Rate{}) {
			t.Errorf("%q is %v", text, got)
		}
	}
	if got := (Rate{}).String(); got != "" {
		t.Errorf("no rate is %q", got)
	}
}

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0s": 0, "0d": 0, "0": 0, "90d": 90 * day, "24h": day, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute, "36500d": maxLife * day,
		"876000h": maxLife * day, "1d1ms": day + time.Millisecond, "0.5h": 30 * time.Minute,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, error %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "+1d", "1.5d", "1", "1d1", "1d-1h", "1d+1h", "-1h", "+1h", "90 d", "36501d", "36500d1ns", "876000h1s", "65536d", "1dd", "1h1d", "99999999999h", "soon"} {
		if got, err := ParseDuration(text); err == nil || got != 0 {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestNames(t *testing.T) {
	token, _ := newToken()
	for _, name := range []string{"a", "0", "ci-bot.v2_x", strings.Repeat("a", 63)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "A", ".a", "-a", "_a", "a b", "a\n", "a/b", "ä", strings.Repeat("a", 64), token, strings.ToLower(token)} {
		if CheckName(name) == nil {
			t.Errorf("%q is a name", name)
		}
	}
}

// quoted reports whether an error has what was typed in it, but for what it says anyway.
func quoted(err error, text string) bool {
	return len(text) > 8 && strings.Contains(err.Error(), text) && !strings.Contains(errNoScope.Error()+errNotRate.Error()+errNotLife.Error()+errNotQuota.Error(), text)
}

func FuzzParseScopes(f *testing.F) {
	for _, text := range []string{"", "read", "read,submit,cancel,stats,admin", "read,read", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParseScopes(text)
		if err != nil {
			if set != 0 || quoted(err, text) {
				t.Errorf("%q: %v, error %v", text, set, err)
			}
			return
		}
		if again, err := ParseScopes(set.String()); err != nil || again != set || set == 0 || len(set.Names()) != strings.Count(text, ",")+1 {
			t.Errorf("%q is %v", text, set)
		}
	})
}

func FuzzParseRate(f *testing.F) {
	for _, text := range []string{"", "100/s", "6000/m", "1/h", "1000000000/d", "0/s", "1/x", "01/s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := ParseRate(text)
		if err != nil {
			if rate != (Rate{}) || quoted(err, text) {
				t.Errorf("%q: %v, error %v", text, rate, err)
			}
			return
		}
		if rate.String() != text || rate.Jobs < 1 || rate.Jobs > maxJobs || rate.Per < time.Second || rate.Per > 24*time.Hour {
			t.Errorf("%q is %v", text, rate)
		}
	})
}

func FuzzParseQuota(f *testing.F) {
	for _, text := range []string{"", "1", "1000000000", "0", "-1", "1e3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseQuota(text)
		if err == nil && strconv.FormatInt(n, 10) != text || err != nil && (n != 0 || quoted(err, text)) || n < 0 || n > maxJobs {
			t.Errorf("%q is %d, error %v", text, n, err)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, text := range []string{"", "90d", "1d12h", "24h", "0s", "36500d", "-1d", "1d-1h", "9999999999h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			if d != 0 || quoted(err, text) {
				t.Errorf("%q: %v, error %v", text, d, err)
			}
			return
		}
		if d < 0 || d > maxLife*24*time.Hour {
			t.Errorf("%q is %v", text, d)
		}
		if plain, err := time.ParseDuration(text); err == nil && plain != d {
			t.Errorf("%q is %v, want %v", text, d, plain)
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%v is read as %v, error %v", d, again, err)
		}
	})
}
