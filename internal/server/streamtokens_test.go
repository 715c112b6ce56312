package server

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// encoded returns a header block with Authorization.
func encoded(t *testing.T, sensitive bool, table uint32) []byte {
	t.Helper()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	e.SetMaxDynamicTableSize(table)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/hash"}, {Name: "x-long", Value: strings.Repeat("long", 100)},
		{Name: "authorization", Value: "Bearer " + tokenA, Sensitive: sensitive}, {Name: "user-agent", Value: "test"},
	} {
		if err := e.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	return block.Bytes()
}

// It is seen whether a client has the decoder keep its token, in whatever pieces its frames come. What is not
// understood counts as if it had.
func TestWhetherATokenIsKeptIsSeen(t *testing.T) {
	if hpack.HuffmanEncodeLength(nameAuthorization) != compressedName {
		t.Error("the compressed name has another length")
	}
	never, kept, noTable := encoded(t, true, 4096), encoded(t, false, 4096), encoded(t, false, 0)
	for name, tt := range map[string]struct {
		write func(f *http2.Framer) error
		want  bool
	}{
		"never kept": {func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: never, EndHeaders: true})
		}, false},
		"padded, with a priority": {func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: never, EndHeaders: true, PadLength: 9, Priority: http2.PriorityParam{Weight: 7}})
		}, false},
		"no table": {func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: noTable, EndHeaders: true})
		}, false},
		"kept": {func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: kept, EndHeaders: true, PadLength: 9})
		}, true},
		"by its name": {func(f *http2.Framer) error {
			block := append([]byte{0x40, 13}, "authorization\x01x"...)
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
		}, true},
		"by its name, compressed": {func(f *http2.Framer) error {
			block := hpack.AppendHuffmanString([]byte{0x40, 0x80 | compressedName}, "authorization")
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: append(block, 1, 'x'), EndHeaders: true})
		}, true},
		"in pieces": {func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: never[:9]})
		}, true},
		"short": {func(f *http2.Framer) error { return f.WriteRawFrame(frameHeaders, flagEndHeaders, 1, never[:9]) }, true},
		"padded": {func(f *http2.Framer) error {
			return f.WriteRawFrame(frameHeaders, flagEndHeaders|flagPadded, 1, []byte{9, 1})
		}, true},
		"data": {func(f *http2.Framer) error { return f.WriteData(1, true, kept) }, false},
	} {
		var wire bytes.Buffer
		wire.WriteString(preface)
		f := http2.NewFramer(&wire, nil)
		f.AllowIllegalWrites = true
		if err := f.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}); err != nil {
			t.Fatal(err)
		}
		if err := f.WriteData(3, true, bytes.Repeat(kept, 3)); err != nil {
			t.Fatal(err)
		}
		if err := tt.write(f); err != nil {
			t.Fatal(err)
		}
		for _, piece := range []int{1, 2, 7, wire.Len()} {
			var w headerWatch
			got := false
			for p := wire.Bytes(); len(p) > 0; p = p[min(piece, len(p)):] {
				got = w.keeps(p[:min(piece, len(p))])
			}
			if got != tt.want {
				t.Errorf("%s, in pieces of %d: kept is %v", name, piece, got)
			}
			if left := w.frame[:cap(w.frame)]; tt.want == w.broken && bytes.Contains(left, []byte(tokenA[20:])) {
				t.Errorf("%s: the header stays: %q", name, left)
			}
		}
	}
}

func TestHeaderWatchTakesAnything(t *testing.T) {
	for range 20000 {
		p := make([]byte, rand.IntN(64))
		for i := range p {
			p[i] = byte(rand.Uint32())
		}
		p = append([]byte{0, 0, byte(len(p)), frameHeaders, flagEndHeaders | byte(rand.Uint32())&(flagPadded|flagPriority), 0, 0, 0, 1}, p...)
		w := headerWatch{seen: len(preface)}
		w.keeps(p)
	}
}

// A token of HTTP/2 is overwritten with the end of its request, or with that of the connection if the client
// had it kept: until then another request may refer to it.
func TestStreamTokensAreOverwritten(t *testing.T) {
	request := func() (r *http.Request, values []string) {
		r = &http.Request{Header: http.Header{"Authorization": {strings.Clone("Bearer " + tokenA)}, "X-Api-Key": {strings.Clone(tokenB)}}, RequestURI: strings.Clone("/" + tokenC)}
		return r, []string{r.Header["Authorization"][0], r.Header["X-Api-Key"][0], r.RequestURI}
	}
	there := func(values []string) (n int) {
		for _, v := range values {
			if holdsToken(v) {
				n++
			}
		}
		return n
	}
	var tokens streamTokens
	first, firstValues := request()
	second, secondValues := request()
	tokens.begin()
	tokens.begin()
	tokens.end(first)
	if there(firstValues) != 2 || holdsToken(firstValues[0]) {
		t.Errorf("after the request there is %q", firstValues)
	}
	tokens.kept.Store(true)
	tokens.close()
	if there(firstValues) != 2 || there(secondValues) != 3 {
		t.Errorf("while a request is open there is %q and %q", firstValues, secondValues)
	}
	tokens.end(second)
	if there(firstValues) != 0 || there(secondValues) != 0 {
		t.Errorf("after the end there is %q and %q", firstValues, secondValues)
	}
	for range 2 * maxShown {
		tokens.begin()
		r, _ := request()
		tokens.note(r.RequestURI)
	}
	if len(tokens.shown) > maxShown || len(tokens.order) > maxShown {
		t.Errorf("%d tokens are remembered", len(tokens.shown))
	}
}
