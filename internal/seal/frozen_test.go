package seal

import (
	"bufio"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What earlier versions sealed opens for ever, with each kind of ring that they took: see testdata/frozen,
// of which nothing is ever adapted to a change of the code.
func TestFrozenEnvelopes(t *testing.T) {
	f, err := os.Open("testdata/frozen/envelopes.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	seen := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		seen++
		fields := strings.Fields(lines.Text())
		name, ring, context, plain := fields[0], fields[1], strings.Trim(fields[2], "-"), strings.Trim(fields[3], "-")
		sealed, err := hex.DecodeString(fields[4])
		if err != nil {
			t.Fatal(name, err)
		}
		text, err := os.ReadFile(filepath.Join("testdata/frozen", ring))
		if err != nil {
			t.Fatal(err)
		}
		s := sealer(t, text)
		if got, err := s.Open(sealed, []byte(context)); err != nil || string(got) != plain {
			t.Errorf("%s opens to %q, error %v", name, got, err)
		}
		if _, err := s.Open(sealed, []byte(context+"x")); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s in another place: error %v", name, err)
		}
	}
	if seen != 5 {
		t.Errorf("%d envelopes", seen)
	}
}
