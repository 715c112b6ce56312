// Package asset serves content that does not change while the process runs, such as the files of a page:
// compressed for those who take that, and not again for those who have it.
package asset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hashd-project/hashd/v2/internal/header"
)

// File is an http.Handler that answers with one content.
type File struct {
	contentType string
	policy      string
	content     []byte
	zipped      func() []byte // the content compressed with gzip; nil for content that is not
	tag         string
}

// New returns a file of the media type, under the Content-Security-Policy.
func New(contentType, policy string, content []byte) *File {
	sum := sha256.Sum256(content)
	return &File{contentType: contentType, policy: policy, content: content, tag: hex.EncodeToString(sum[:12])}
}

// Zipped makes the file one that goes out compressed to those who take that, and returns it. The bytes are
// its content compressed with gzip; nil has them made at the first need.
func (f *File) Zipped(content []byte) *File {
	f.zipped = func() []byte { return content }
	if content == nil {
		f.zipped = sync.OnceValue(func() []byte { return zip(f.content) })
	}
	return f
}

// ServeHTTP implements http.Handler. A client that has the content already gets 304.
func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", f.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // keep it, but ask each time
	content, tag := f.content, f.tag
	if f.zipped != nil {
		h.Set("Vary", header.Join(append(h["Vary"], "Accept-Encoding")))
		if header.Prefers(header.Join(r.Header["Accept-Encoding"]), "gzip") {
			h.Set("Content-Encoding", "gzip")
			content, tag = f.zipped(), tag+"-gzip"
		}
	}
	h.Set("Etag", `"`+tag+`"`)
	http.ServeContent(w, inOneLine(r), "", time.Time{}, bytes.NewReader(content))
}

// inOneLine returns the request as http.ServeContent needs it, which reads only the first line of a
// field: lists are joined, and a range that is sent twice is left out, for it may be ignored (RFC 9110,
// section 14.2).
func inOneLine(r *http.Request) *http.Request {
	copied := *r
	copied.Header = r.Header.Clone()
	for _, name := range []string{"If-None-Match", "If-Match"} {
		if lines := r.Header[name]; len(lines) > 1 {
			copied.Header.Set(name, header.Join(lines))
		}
	}
	_, one := header.One(r.Header, "Range")
	if _, ifOne := header.One(r.Header, "If-Range"); !one || !ifOne {
		copied.Header.Del("Range")
	}
	return &copied
}

// zip compresses the content. Nothing that is written to memory fails.
func zip(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

// Unzip returns what was compressed with gzip.
func Unzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err //nolint:wrapcheck // it is all there is to say
	}
	return io.ReadAll(r) //nolint:wrapcheck // as above
}
