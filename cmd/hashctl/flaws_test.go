package main

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// utf16Of returns the text in UTF-16 of that byte order.
func utf16Of(order binary.AppendByteOrder, text string) (encoded string) {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// doubtful are secrets that a person hardly meant as they are: each would get another hash than what it
// looks like. They are told, and taken raw only.
var doubtful = map[string]string{
	"\xef\xbb\xbfangryMonkey":           "begins with a byte order mark (EF BB BF)",
	"angry\ufeffMonkey":                 "has a byte order mark (U+FEFF) inside",
	"angryMonkey\ufeff":                 "has a byte order mark (U+FEFF) inside",
	"angry\x00Monkey":                   "has a NUL character",
	"angryMonkey\x00":                   "has a NUL character",
	"angry\rMonkey":                     "has a carriage return (CR)",
	"angryMonkey\r":                     "has a carriage return (CR)",
	"\x1b[200~angryMonkey\x1b[201~":     "has the marks that a terminal puts around what is pasted",
	"angryMonkey\x1b[D":                 "has an escape character (ESC)",
	"angry\x07Monkey":                   "has a control character (U+0007)",
	"angryMonkey\x7f":                   "has a control character (U+007F)",
	"angry\u0085Monkey":                 "has a control character (U+0085)",
	"angry\ufffdMonkey":                 "has a replacement character (U+FFFD)",
	"angry\u2028Monkey":                 "has a line separator (U+2028)",
	"Pass\u00e9 \ufeff" + "e\u0301 NFD": "has a byte order mark",
}

// impossible are inputs that no server takes, raw or not.
var impossible = map[string]string{
	"":                                    "is empty",
	"angry\xffMonkey":                     "is not valid UTF-8",
	"angry\xe9":                           "is not valid UTF-8",
	"\xed\xa0\x80":                        "is not valid UTF-8",
	strings.Repeat("x", maxSecretChars+1): "is longer than 1,024 characters",
	"\xff\xfe" + utf16Of(binary.LittleEndian, "angryMonkey"):    "the input is UTF-16 (it begins with FF FE), not UTF-8",
	"\xfe\xff" + utf16Of(binary.BigEndian, "angryMonkey"):       "the input is UTF-16 (it begins with FE FF), not UTF-8",
	"\xff\xfe\x00\x00a\x00\x00\x00":                             "the input is UTF-32 (it begins with FF FE 00 00), not UTF-8",
	"\x00\x00\xfe\xff\x00\x00\x00a":                             "the input is UTF-32 (it begins with 00 00 FE FF), not UTF-8",
	"\xff\xfe" + utf16Of(binary.LittleEndian, "\u043f\u0430\n"): "the input is UTF-16 (it begins with FF FE), not UTF-8",
}

// refuses runs hashctl on an input that it must refuse, by standard input and by file, and by a secret and
// a bulk: with exit code 2, and words that don't repeat it.
func refuses(t *testing.T, address, input, want string, more ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "in")
	write(t, file, input)
	for _, args := range [][]string{{"submit"}, {"submit", "--file", file}, {"bulk", "-"}, {"bulk", file}, {"submit", "--json"}, {"bulk", file, "--json"}} {
		if input == "" && args[0] == "bulk" {
			continue // it has no lines
		}
		p, stdout, stderr := newProgram(address, strings.NewReader(input))
		code := p.run(t.Context(), append(args, more...))
		if code != exitUsage || stdout.Len() > 0 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%.30q, %q: exit code %d, stdout %q, stderr %q; want %q", input, args, code, stdout, stderr, want)
		}
		if strings.Contains(stderr.String(), "Monkey") {
			t.Errorf("%.30q: it repeats the secret: %s", input, stderr)
		}
	}
}

// What an editor, a terminal or a conversion puts into a secret is refused and told, whichever way the
// secret comes; nothing is submitted.
func TestDoubtfulSecretsAreRefused(t *testing.T) {
	t.Parallel()
	address := server(t, "--delay=0s")
	for _, all := range []map[string]string{doubtful, impossible} {
		for secret, want := range all {
			refuses(t, address, secret, want)
			if strings.HasPrefix(secret, "\xff\xfe") || strings.HasPrefix(secret, "\xfe\xff") || secret == "" {
				continue
			}
			if secret != "angryMonkey\r" { // which would be the end of a line
				refuses(t, address, secret+"\n", want)
			}
			refuses(t, address, secret+"\r\n", want)
		}
	}
	for _, plain := range []string{utf16Of(binary.LittleEndian, "angryMonkey\r\n"), utf16Of(binary.BigEndian, "angryMonkey\r\n")} {
		refuses(t, address, plain, "without a mark (it has NUL characters), not UTF-8")
	}
	if got := newProxy(t, address).total(t); got != 0 {
		t.Errorf("%d secrets were submitted", got)
	}
}

// With --raw the bytes of the input are the secret, from the first to the last.
func TestRawTakesBytesAsTheyAre(t *testing.T) {
	t.Parallel()
	address := server(t, "--delay=0s")
	for secret := range doubtful {
		for _, end := range []string{"", "\n", "\r\n"} {
			sum := sha512.Sum512([]byte(secret + end))
			p, stdout, stderr := newProgram(address, strings.NewReader(secret+end))
			code := p.run(t.Context(), []string{"submit", "--raw", "--wait"})
			if want := base64.StdEncoding.EncodeToString(sum[:]) + "\n"; code != exitOK || stdout.String() != want || stderr.Len() > 0 {
				t.Errorf("%q: exit code %d, %q, want %q; %s", secret+end, code, stdout, want, stderr)
			}
			sum = sha512.Sum512([]byte(secret + strings.TrimSuffix(end, "\n")))
			p, stdout, stderr = newProgram(address, strings.NewReader(secret+end))
			code = p.run(t.Context(), []string{"bulk", "-", "--raw", "--json"})
			if want := `"hash":"` + base64.StdEncoding.EncodeToString(sum[:]); code != exitOK || !strings.Contains(stdout.String(), want) {
				t.Errorf("line %q: exit code %d, %q, want %q; %s", secret+end, code, stdout, want, stderr)
			}
		}
	}
	for secret, want := range impossible {
		refuses(t, address, secret, want, "--raw")
	}
}

// What a person may well mean is taken as it is: spaces, tabs, other scripts, and lines of a secret.
func TestMeantSecretsAreTaken(t *testing.T) {
	t.Parallel()
	address := server(t, "--delay=0s")
	for input, secret := range map[string]string{
		"angryMonkey": "angryMonkey", "angryMonkey\n": "angryMonkey", "angryMonkey\r\n": "angryMonkey",
		" angry\tMonkey ": " angry\tMonkey ", "two\nlines\n": "two\nlines", "ends\n\n": "ends\n",
		"пароль 密码 🐒👨‍👩‍👧": "пароль 密码 🐒👨‍👩‍👧", "Pass\u00e9": "Pass\u00e9", strings.Repeat("😀", maxSecretChars): strings.Repeat("😀", maxSecretChars),
	} {
		p, stdout, stderr := newProgram(address, strings.NewReader(input))
		sum := sha512.Sum512([]byte(secret))
		code := p.run(t.Context(), []string{"submit", "--wait"})
		if want := base64.StdEncoding.EncodeToString(sum[:]) + "\n"; code != exitOK || stdout.String() != want || stderr.Len() > 0 {
			t.Errorf("%.30q: exit code %d, %q, want %q; %s", input, code, stdout, want, stderr)
		}
	}
}

// Text that is not in the form NFC looks like other text with another hash: it is taken, and told.
func TestOtherUnicodeFormIsTold(t *testing.T) {
	t.Parallel()
	address := server(t, "--delay=0s")
	const decomposed = "Passe\u0301\n"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"submit", "--wait"}, "hashctl: the secret is not in Unicode's form NFC"},
		{[]string{"bulk", "-"}, "hashctl: line 2, the first of such lines, is not in Unicode's form NFC"},
		{[]string{"submit", "--json"}, `"type":"urn:hashctl:problem:not-nfc"`},
		{[]string{"submit", "--raw"}, ""},
	} {
		input := decomposed
		if tt.args[0] == "bulk" {
			input = "Pass\u00e9\n" + decomposed + decomposed
		}
		p, stdout, stderr := newProgram(address, strings.NewReader(input))
		code := p.run(t.Context(), tt.args)
		if code != exitOK || stdout.Len() == 0 || !strings.Contains(stderr.String(), tt.want) || tt.want == "" && stderr.Len() > 0 {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", tt.args, code, stdout, stderr)
		}
	}
}

// All bad lines of a file are told, the first twenty one by one, before anything is submitted.
func TestAllBadLinesAreTold(t *testing.T) {
	t.Parallel()
	address := server(t, "--delay=0s")
	file := filepath.Join(t.TempDir(), "in")
	for _, tt := range []struct{ good, bad int }{{5, 1}, {3, 2}, {0, 20}, {100, 21}, {20_000, 1000}} {
		var text strings.Builder
		var want []string
		for range tt.good {
			text.WriteString("topsecret\n")
		}
		for n := range tt.bad {
			line, problem := "", "is empty"
			switch n % 4 {
			case 1:
				line, problem = "\ufefftopsecret", "begins with a byte order mark (EF BB BF), which some editors put there"
			case 2:
				line, problem = strings.Repeat("topsecret", 20_000), "is longer than 1,024 characters"
			case 3:
				line, problem = "\xff", "is not valid UTF-8"
			}
			fmt.Fprintf(&text, "%s\n", line)
			want = append(want, fmt.Sprintf("line %d %s\n", tt.good+n+1, problem))
		}
		write(t, file, text.String())
		p, stdout, stderr := newProgram(address, nil)
		code := p.run(t.Context(), []string{"bulk", file, "--output", file + ".csv"})
		said := stderr.String()
		for n, line := range want {
			if strings.Contains(said, line) != (n < toldLines) {
				t.Errorf("%+v: of %q it says\n%s", tt, line, said)
			}
		}
		if more := fmt.Sprintf("\n  and %d more\n", tt.bad-toldLines); strings.Contains(said, more) != (tt.bad > toldLines) {
			t.Errorf("%+v: it says\n%s", tt, said)
		}
		if code != exitUsage || stdout.Len() > 0 || !strings.HasSuffix(said, "; nothing was submitted\n") || strings.Contains(said, "topsecret") {
			t.Errorf("%+v: exit code %d, it says\n%s", tt, code, said)
		}
		if _, err := os.Stat(file + ".csv"); err == nil {
			t.Error("there is an output")
		}
	}
	if got := newProxy(t, address).total(t); got != 0 {
		t.Errorf("%d lines were submitted", got)
	}
}

// In a pipe the batches before a bad line are done, and all bad lines of its batch are told.
func TestBadLinesOfPipe(t *testing.T) {
	t.Parallel()
	address := server(t, "--delay=0s")
	p, stdout, stderr := newProgram(address, strings.NewReader("a\nb\nc\n\ufeffd\n\nf\n\n"))
	code := p.run(t.Context(), []string{"bulk", "-", "--batch", "3", "--no-wait", "--json"})
	if code != exitUsage || strings.Count(stdout.String(), "\n") != 3 ||
		!strings.Contains(stderr.String(), `2 lines can't be taken:\n  line 4 begins with a byte order mark (EF BB BF), which some editors put there\n  line 5 is empty"`) ||
		!strings.Contains(stderr.String(), "lines from 4 on were not submitted") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
