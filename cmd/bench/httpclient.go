//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// batchReceipt is what POST /hash/batch answers.
type batchReceipt struct {
	First     int64
	Count     int64
	Algorithm string
	Due       time.Time
}

// caller is a client of a hashd that reads answers whole into memory of its own. One goroutine at a time
// may use it.
type caller struct {
	transport *http.Transport
	url       string
	buf       bytes.Buffer
}

func newCaller(url string) *caller {
	return &caller{transport: &http.Transport{ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10}, url: url}
}

func (c *caller) close() { c.transport.CloseIdleConnections() }

// do returns the answer's body, valid until the next call, if it has that status.
func (c *caller) do(req *http.Request, status int) ([]byte, error) {
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	defer resp.Body.Close()
	c.buf.Reset()
	if _, err := c.buf.ReadFrom(resp.Body); err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	if resp.StatusCode != status {
		return nil, fmt.Errorf("%s %s: status %s: %.300s", req.Method, req.URL.Path, resp.Status, c.buf.Bytes())
	}
	return c.buf.Bytes(), nil
}

// post submits a batch.
func (c *caller) post(ctx context.Context, body []byte) (r batchReceipt, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/hash/batch", bytes.NewReader(body))
	if err != nil {
		return r, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	text, err := c.do(req, http.StatusAccepted)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("receipt: %w", err)
	}
	return r, nil
}

// get reads a range of hashes as scanAnswer does, once none is pending if it waits.
func (c *caller) get(ctx context.Context, first int64, to []byte, wait bool) (done int, err error) {
	url := fmt.Sprintf("%s/hash/batch?first=%d&count=%d", c.url, first, len(to)/hashText)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("make the request: %w", err)
	}
	if wait {
		req.Header.Set("Prefer", "wait=600")
	}
	text, err := c.do(req, http.StatusOK)
	if err != nil {
		return 0, err
	}
	return scanAnswer(text, first, to)
}

// passwords is the body of a batch whose secrets have one length, so that the next batch is written over it.
type passwords struct {
	body []byte
	size int64
}

// passwordText is the length of a secret.
const passwordText = 12

const passwordsHead = `{"passwords":[`

func newPasswords(size int64) *passwords {
	one := append(append([]byte{'"'}, bytes.Repeat([]byte{'0'}, passwordText)...), '"', ',')
	body := append([]byte(passwordsHead), bytes.Repeat(one, int(size))...)
	return &passwords{body: append(body[:len(body)-1], "]}"...), size: size}
}

// of returns the body with the secrets of the jobs numbered from first on.
func (p *passwords) of(first int64) []byte {
	for n := range p.size {
		setPassword(p.body[len(passwordsHead)+int(n)*(passwordText+3)+1:], first+n)
	}
	return p.body
}

// setPassword writes the secret of job number i: its number with leading zeros.
func setPassword(to []byte, i int64) {
	for n := passwordText - 1; n >= 0; n-- {
		to[n] = byte('0' + i%10)
		i /= 10
	}
}
