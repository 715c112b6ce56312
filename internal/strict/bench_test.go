package strict_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	body := `{"password":"angryMonkey","algorithm":"sha512"}`
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var into wire.HashRequest
		if err := strict.Decode(strings.NewReader(body), int64(len(body)), 16<<10, &into); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBatch(b *testing.B) {
	b.ReportAllocs()
	secrets := make([]string, 1000)
	for i := range secrets {
		secrets[i] = "angryMonkey"
	}
	body := batchOf(secrets...)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		into, err := decodeBatch(body)
		if err != nil {
			b.Fatal(err)
		}
		into.Passwords.Wipe()
	}
}

// nowhere is a response that is not sent.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

func BenchmarkAnswer(b *testing.B) {
	b.ReportAllocs()
	w := nowhere{http.Header{}}
	job := wire.Job{Id: 42, Status: wire.JobStatusPending, Algorithm: wire.Sha512, Due: strict.Time{Time: time.Unix(1_700_000_000, 0).UTC()}}
	for b.Loop() {
		if err := strict.WriteJSON(w, http.StatusAccepted, job); err != nil {
			b.Fatal(err)
		}
	}
}
