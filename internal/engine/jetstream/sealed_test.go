package jetstream

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
	"github.com/hashd-project/hashd/v2/internal/seal"
)

// Nothing that the servers hold or write to the disk shows a secret or a digest.
func TestServersHoldNoPlaintext(t *testing.T) {
	t.Parallel()
	servers := cluster(t, natstest.Config{Nodes: 1})
	e := start(t, config(t, servers))
	const secret = "angryMonkey in the broker"
	done := accept(t, e, engine.Job{Secret: []byte(secret)})
	wantHash(t, e, done, secret)
	e.cfg.Delay = time.Hour
	accept(t, e, engine.Job{Secret: []byte(secret), IdempotencyKey: engine.IdempotencyKey{ID: [16]byte{1}, Fingerprint: [16]byte([]byte("the print of job"))}})
	var sum [digest.MaxSize]byte
	digest.SHA512.Sum(&sum, []byte(secret))
	found := searchFiles(t, servers.Nodes[0].Store(), []byte(secret), sum[:16], []byte("the print of job"), e.FingerprintKey())
	if found.bytes == 0 || len(found.in) > 0 {
		t.Errorf("of %d bytes on the disk, plaintext is in %q", found.bytes, found.in)
	}
}

type search struct {
	bytes int
	in    []string
}

// searchFiles looks for texts in all files of a folder.
func searchFiles(t *testing.T, dir string, texts ...[]byte) (s search) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		content, err := os.ReadFile(path)
		s.bytes += len(content)
		for _, text := range texts {
			if bytes.Contains(content, text) {
				s.in = append(s.in, path)
			}
		}
		return ignoreGone(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ignoreGone drops the error of a file that went while it was looked for.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// A rotated ring reads what the old one sealed; another ring is told at once.
func TestRings(t *testing.T) {
	t.Parallel()
	old, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := seal.Rotate(old)
	if err != nil {
		t.Fatal(err)
	}
	sealer := func(ring []byte) *seal.Sealer {
		s, err := seal.New(ring)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	cfg := config(t, single(t))
	cfg.Sealer = sealer(old)
	before := start(t, cfg)
	r := accept(t, before, engine.Job{Secret: []byte("secret")})
	wantHash(t, before, r, "secret")
	cfg.Sealer = sealer(rotated)
	after := start(t, cfg)
	wantHash(t, after, r, "secret")

	// One that has the old ring alone reads nothing new, and leaves it to those that can.
	_ = before.Cancel(t.Context(), r.ID)
	r = accept(t, after, engine.Job{Secret: []byte("secret")})
	wantHash(t, after, r, "secret")
	if _, err := before.Get(t.Context(), r.ID); !errors.Is(err, engine.ErrDown) {
		t.Errorf("a result sealed with a key that is not in the ring: %v", err)
	}

	cfg.Sealer, _ = ring()
	_, err = New(t.Context(), cfg)
	wantErr(t, err, cfg.Prefix+"_jobs was made with another ring", "not in the ring")
	if unknown, ok := errors.AsType[*seal.UnknownKeyError](err); !ok || unknown.ID == 0 {
		t.Errorf("the key is not told by %v", err)
	}
}
