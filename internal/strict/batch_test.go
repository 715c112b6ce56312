package strict_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/secret"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// batchLimit is larger than any batch here.
const batchLimit = 32 << 20

// decodeBatch decodes a body of POST /hash/batch by the generated decoder.
func decodeBatch(body string) (*wire.BatchRequest, error) {
	var into wire.BatchRequest
	return &into, strict.Decode(strings.NewReader(body), int64(len(body)), batchLimit, &into)
}

// texts returns the secrets of a list.
func texts(l secret.List) (texts []string) {
	for _, s := range l.Slices() {
		texts = append(texts, string(s))
	}
	return texts
}

// batchOf is the body that submits the secrets.
func batchOf(secrets ...string) string {
	b, _ := json.Marshal(map[string][]string{"passwords": secrets}) // strings can always be marshaled
	return string(b)
}

// alone matches a body of the other corpus that has a password, without its end, and nothing else.
var alone = regexp.MustCompile(`(?s)^\{"password":"((?:[^"\\]|\\.)*)"\}$`)

// asBatch returns the body of a single job as the second item of a batch.
func asBatch(s sample) (sample, bool) {
	const before = `{"passwords":["first","`
	parts := alone.FindStringSubmatch(s.body)
	if parts == nil {
		return s, false
	}
	s.name, s.body = "as a batch: "+s.name, before+parts[1]+`"]}`
	if s.refusal == "" {
		s.secret = "first|" + s.secret
		return s, true
	}
	s.refusal = strings.ReplaceAll(s.refusal, `"#/password"`, `"#/passwords/1"`)
	if head, tail, ok := strings.Cut(s.refusal, "from byte "); ok {
		at, _ := strconv.Atoi(strings.TrimSuffix(tail, " on"))
		s.refusal = fmt.Sprintf("%sfrom byte %d on", head, at+len(before)-len(`{"password":"`))
	}
	return s, true
}

func batches(t testing.TB) []sample {
	samples := readCorpus(t, "batches.txt")
	for _, s := range corpus(t) {
		if s, ok := asBatch(s); ok {
			samples = append(samples, s)
		}
	}
	if len(samples) < 110 {
		t.Fatalf("%d samples", len(samples))
	}
	return samples
}

func TestBatchCorpus(t *testing.T) {
	for _, s := range batches(t) {
		t.Run(s.name, func(t *testing.T) {
			body, err := decodeBatch(s.body)
			if s.refusal != "" {
				if got := refusal(t, err); got != s.refusal || body.Passwords.Slices() != nil {
					t.Errorf("body %q:\ngot  %s\nwant %s", s.body, got, s.refusal)
				}
				return
			}
			if got := strings.Join(texts(body.Passwords), "|"); err != nil || got != s.secret {
				t.Errorf("body %q: secrets %q, error %v, want %q", s.body, got, err, s.secret)
			}
		})
	}
}

// The bounds are those of the contract, and both are exact.
func TestBatchBounds(t *testing.T) {
	for n, want := range map[int]string{
		1: "", 9_999: "", 10_000: "", 10_001: `"#/passwords" must be an array of 1 to 10000 items`,
		20_000: `"#/passwords" must be an array of 1 to 10000 items`,
	} {
		secrets := make([]string, n)
		for i := range secrets {
			secrets[i] = fmt.Sprint("secret ", i)
		}
		body, err := decodeBatch(batchOf(secrets...))
		switch {
		case want != "":
			if got := refusal(t, err); got != want {
				t.Errorf("%d items: %s, want %s", n, got, want)
			}
		case err != nil || !slices.Equal(texts(body.Passwords), secrets):
			t.Errorf("%d items: %d of them read, error %v", n, len(body.Passwords.Slices()), err)
		}
	}
	for character, width := range map[string]int{"x": 1, "é": 2, "🐒": 4, `\u0000`: 1, `\ud83d\udc12`: 4} {
		for _, n := range []int{1024, 1025} {
			body, err := decodeBatch(`{"passwords":["a","` + strings.Repeat(character, n) + `","b"]}`)
			if n > 1024 {
				if got := refusal(t, err); got != `"#/passwords/1" must be from 1 to 1024 characters long` {
					t.Errorf("%d of %s: %s", n, character, got)
				}
			} else if list := body.Passwords.Slices(); err != nil || len(list[1]) != n*width {
				t.Errorf("%d of %s: error %v, lengths %d", n, character, err, len(list[1]))
			}
		}
	}
}

// The largest batch there can be is read whole.
func TestLargestBatch(t *testing.T) {
	text := strings.Repeat("🐒", 1024)
	body, err := decodeBatch(`{"passwords":[` + strings.Repeat(`"`+text+`",`, 4_999) + `"` + text + `"]}`)
	if err != nil || len(body.Passwords.Slices()) != 5_000 {
		t.Fatalf("%d secrets, error %v", len(body.Passwords.Slices()), err)
	}
	for i, s := range body.Passwords.Slices() {
		if string(s) != text {
			t.Fatalf("secret %d is another", i)
		}
	}
}

// A list that ends too early is refused wherever it ends, and leaves nothing in the body.
func TestBatchTruncated(t *testing.T) {
	whole := `{"passwords": ["` + canary + `", "\ud83d\udc12é` + canary + `\n"], "algorithm":"sha256"}`
	if _, err := decodeBatch(whole); err != nil {
		t.Fatalf("whole: %v", err)
	}
	for n := range whole {
		body, err := decodeBatch(whole[:n])
		if refusal(t, err); body.Passwords.Slices() != nil {
			t.Errorf("%q leaves secrets", whole[:n])
		}
	}
}

// A body that is wrong all over costs no more than its size allows and is answered in bounded size.
func TestBatchViolationsAreBounded(t *testing.T) {
	for name, item := range map[string]string{
		"numbers": "1", "empty strings": `""`, "arrays": "[]", "objects": `{"` + canary + `":1}`, "secrets": `"x"`,
	} {
		const items = 300_000
		body := `{"passwords":[` + strings.Repeat(item+",", items-1) + item + `]}`
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decodeBatch(body)
		runtime.ReadMemStats(&after)
		refusal(t, err)
		if e, _ := errors.AsType[*strict.Error](err); len(e.Fields) > 20 {
			t.Errorf("%s: %d violations", name, len(e.Fields))
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(3*len(body)+4<<20) {
			t.Errorf("%s: a body of %d bytes takes %d", name, len(body), took)
		}
	}
}

// All secrets of a batch lie in one piece of memory no larger than the body, apart from the text.
func TestBatchIsOnePiece(t *testing.T) {
	body, err := decodeBatch(`{"passwords":["` + canary + `","\u0078","` + canary + canary + `"]}`)
	if err != nil {
		t.Fatal(err)
	}
	list := body.Passwords.Slices()
	end := unsafe.SliceData(list[0])
	for i, s := range list {
		if unsafe.SliceData(s) != end || cap(s) != len(s) {
			t.Errorf("secret %d lies apart, or can grow into the next", i)
		}
		end = (*byte)(unsafe.Add(unsafe.Pointer(end), len(s)))
	}
}

// A refused batch leaves no secret behind, wherever it is wrong; nor does the decoder, ever.
func TestRefusedBatchIsWiped(t *testing.T) {
	const list = `"` + canary + `","\u005Aq7xVw93Kp"`
	for _, body := range []string{
		`{"passwords":[` + list + `],"user":1}`,
		`{"passwords":[` + list + `],"algorithm":"md5"}`,
		`{"passwords":[` + list + `],"passwords":["x"]}`,
		`{"passwords":[` + list + `]`,
		`{"passwords":[` + list,
		`{"passwords":[` + list + `,`,
		`{"passwords":[` + list + `,"` + canary,
		`{"passwords":[` + list + `,1]}`,
		`{"passwords":[` + list + `,""]}`,
		`{"passwords":[` + list + `,"` + strings.Repeat(canary, 103) + `"]}`,
		`{"passwords":[` + list + strings.Repeat(`,"x"`, 10_000) + `]}`,
		`{"passwords":[` + list + `]} trailing`,
	} {
		var k listKeeper
		if err := strict.Decode(strings.NewReader(body), -1, batchLimit, &k); err == nil || len(k.secrets) < 2 {
			t.Fatalf("body %.60s: error %v, %d secrets", body, err, len(k.secrets))
		}
		for _, s := range k.secrets {
			if string(s) != strings.Repeat("\x00", len(s)) {
				t.Errorf("body %.60s: a secret is not wiped", body)
			}
		}
		if k.Passwords.Slices() != nil || remembers(k.secrets) || bytes.Contains(k.room, []byte(canary)) {
			t.Errorf("body %.60s: a secret is left", body)
		}
		if remembers(k.decoder) {
			t.Errorf("body %.60s: the decoder still holds a secret", body)
		}
	}
}

// listKeeper is a body that keeps the memory of its secrets, and what lies behind them.
type listKeeper struct {
	wire.BatchRequest
	secrets [][]byte
	room    []byte
	decoder *strict.Decoder
}

func (k *listKeeper) DecodeStrict(d *strict.Decoder) {
	k.BatchRequest.DecodeStrict(d)
	k.decoder, k.secrets = d, slices.Clone(k.Passwords.Slices())
	if len(k.secrets) == 0 {
		return
	}
	used := 0
	for _, s := range k.secrets {
		used += len(s)
	}
	// Room for one more secret than there are: one that was refused stood there.
	k.room = unsafe.Slice(unsafe.SliceData(k.secrets[0]), used+len(canary))
}

// An accepted batch is wiped by its owner; the decoder forgets it at once.
func TestDecoderForgetsTheBatch(t *testing.T) {
	var k listKeeper
	if err := strict.Decode(strings.NewReader(batchOf(canary, canary, "other")), -1, batchLimit, &k); err != nil {
		t.Fatal(err)
	}
	if remembers(k.decoder) {
		t.Error("the decoder still holds a secret")
	}
	if got := texts(k.Passwords); !slices.Equal(got, []string{canary, canary, "other"}) {
		t.Errorf("the secrets are %q", got)
	}
	k.Passwords.Wipe()
	if remembers(k.secrets) {
		t.Error("a secret outlives its list")
	}
}

// The memory that a batch is read into is wiped and never moves, as that of any body.
func TestBatchReadBufferIsWiped(t *testing.T) {
	large := batchOf(slices.Repeat([]string{canary}, 9_000)...)
	for name, body := range map[string]string{
		"accepted": large, "refused": large[:len(large)-1] + `,"user":1}`, "broken": large[:len(large)-9],
	} {
		for _, size := range []int64{int64(len(body)), -1} {
			w := &witness{Reader: iotest.HalfReader(strings.NewReader(body))}
			_ = strict.Decode(w, size, 1<<20, new(wire.BatchRequest))
			if w.moved {
				t.Errorf("%s, told %d: the body moved while it was read", name, size)
			}
			if i := bytes.IndexFunc(w.memory, func(r rune) bool { return r != 0 }); i >= 0 {
				t.Errorf("%s, told %d: not wiped from byte %d on", name, size, i)
			}
		}
	}
}

// A decoder that has read a large body is not kept: its buffer would be held for good.
func TestLargeBuffersAreNotKept(t *testing.T) {
	for range 20 {
		if _, err := decodeBatch(batchOf(slices.Repeat([]string{strings.Repeat("x", 1000)}, 200)...)); err != nil {
			t.Fatal(err)
		}
		var s capSpy
		if err := strict.Decode(strings.NewReader(`{"password":"x"}`), 16, limit, &s); err != nil {
			t.Fatal(err)
		}
		if s.largest > 64<<10 {
			t.Fatalf("a small body is read with a buffer of %d bytes", s.largest)
		}
	}
}

// capSpy notes the largest buffer that its decoder has.
type capSpy struct {
	wire.HashRequest
	largest int
}

func (s *capSpy) DecodeStrict(d *strict.Decoder) {
	s.HashRequest.DecodeStrict(d)
	search(reflect.ValueOf(d), map[unsafe.Pointer]bool{}, func(b []byte) { s.largest = max(s.largest, cap(b)) })
}

// A list with no upper bound is one as well.
func TestUnboundedList(t *testing.T) {
	for body, want := range map[string]string{
		`{"list":[]}`:                       "",
		`{"list":["","x"]}`:                 "",
		`{"list":[` + commas(12_000) + `]}`: "",
		`{"list":[1]}`:                      `"#/list/0" must be a string`,
		`{"list":{}}`:                       `"#/list" must be an array`,
	} {
		var list secret.List
		err := strict.Decode(io.MultiReader(strings.NewReader(body)), -1, batchLimit, schema(func(d *strict.Decoder) {
			d.Object(nil, func(name []byte) bool {
				d.Secrets(&list, 0, strict.Unbounded, 0, strict.Unbounded)
				return string(name) == "list"
			})
		}))
		if err == nil && want != "" || err != nil && refusal(t, err) != want {
			t.Errorf("body %.40s: error %v, want %s", body, err, want)
		}
	}
}

// commas returns n items.
func commas(n int) string { return strings.Repeat(`"x",`, n-1) + `"x"` }
