//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// filesystem names the folder's filesystem and what it is mounted from.
func filesystem(dir string) string {
	path, err := filepath.Abs(dir)
	mounts, readErr := os.ReadFile("/proc/self/mountinfo")
	if err != nil || readErr != nil {
		return "an unknown filesystem"
	}
	name, longest := "an unknown filesystem", -1
	for line := range strings.Lines(string(mounts)) {
		// 36 35 98:0 /root /mount/point options [more…] - type source options
		left, right, _ := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 5 || len(r) < 2 {
			continue
		}
		rel, err := filepath.Rel(l[4], path)
		if below := err == nil && rel != ".." && !strings.HasPrefix(rel, "../"); below && len(l[4]) >= longest {
			name, longest = fmt.Sprintf("%s on %s", r[0], r[1]), len(l[4])
		}
	}
	return name
}

// idleResult compares an acceptance on an idle engine with what the disk alone takes for it.
type idleResult struct {
	Accept, Bare samples // microseconds, the mean of each round
	Bytes        float64 // written by one acceptance
}

// addIdle shows what group commit costs who is alone.
func (b *fileBench) addIdle(ctx context.Context) error {
	results, err := repeat[idleResult](ctx, b.s, b.task("idle", b.jobs/500, 1))
	if err != nil {
		return err
	}
	micros := unit{name: "µs"}
	accepts := row{what: "idle: time to accept a job", unit: micros}
	bares := row{what: "idle: bare writes and fdatasyncs", unit: micros}
	for _, r := range results {
		accepts.hashd, bares.hashd = append(accepts.hashd, r.Accept...), append(bares.hashd, r.Bare...)
	}
	share := row{what: "idle: times what the disk alone takes", unit: unit{name: "x", digits: 2}, hashd: accepts.hashd.over(bares.hashd)}
	b.t.add(accepts, bares,
		row{what: "idle: written for a job", unit: unit{name: "B"}, hashd: collect(results, func(r idleResult) float64 { return r.Bytes })},
		share.aim("<= 1.25x", share.hashd.median() <= 1.25),
	)
	b.t.note("idle: one submitter; beside it the same bytes, written over old ones and fdatasynced as a transaction is: all but a page, then the page; the two took turns, %d rounds a run", idleRounds)
	return nil
}

// idleRounds is how often the two take turns.
const idleRounds = 10

// idle returns the means of the rounds.
func idle(ctx context.Context, task fileTask) (idleResult, error) {
	var r idleResult
	e, err := openTask(task, notDue)
	if err != nil {
		return r, err
	}
	defer e.Close()
	each := max(1, task.Jobs/idleRounds)
	for n := range int64(idleRounds) {
		took, bytes, err := timeAccepts(ctx, e, n*each, min(task.Jobs, (n+1)*each))
		if err != nil {
			return r, err
		}
		if r.Bytes == 0 {
			r.Bytes = bytes
		}
		bare, err := timeWrites(task.Dir, int(each), int(r.Bytes))
		if err != nil {
			return r, err
		}
		r.Accept, r.Bare = append(r.Accept, took), append(r.Bare, bare)
	}
	return r, nil
}

// timeAccepts returns the microseconds and the bytes that each of the jobs takes.
func timeAccepts(ctx context.Context, st store, from, to int64) (micros, bytes float64, err error) {
	before, err := written()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := submitRange(ctx, st, from, to, nil); err != nil {
		return 0, 0, err
	}
	took := time.Since(start)
	after, err := written()
	n := float64(max(1, to-from))
	return float64(took.Microseconds()) / n, float64(after-before) / n, err
}

// written returns the bytes that this process has ever asked the system to write.
func written() (n int64, err error) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, fmt.Errorf("writes are measured on Linux only: %w", err)
	}
	_, rest, _ := strings.Cut(string(text), "wchar: ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		return 0, fmt.Errorf("/proc/self/io: %w", err)
	}
	return n, nil
}

// timeWrites returns the microseconds in which as many bytes become safe as a transaction writes,
// all but a page at first and then the page.
func timeWrites(dir string, times, bytes int) (micros float64, err error) {
	f, err := os.CreateTemp(dir, "bare-*")
	if err != nil {
		return 0, fmt.Errorf("bare writes: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	page := os.Getpagesize()
	body := make([]byte, max(page, bytes-page))
	room := make([]byte, mebibyte+page)
	if _, err := f.Write(room); err != nil {
		return 0, fmt.Errorf("bare writes: %w", err)
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("bare writes: %w", err)
	}
	start := time.Now()
	for n := range times {
		at := page + n*len(body)%max(1, mebibyte-len(body))/page*page
		if err := errors.Join(writeSafely(f, body, at), writeSafely(f, room[:page], 0)); err != nil {
			return 0, fmt.Errorf("bare writes: %w", err)
		}
	}
	return float64(time.Since(start).Microseconds()) / float64(max(1, times)), nil
}

func writeSafely(f *os.File, b []byte, at int) error {
	_, err := f.WriteAt(b, int64(at))
	return errors.Join(err, unix.Fdatasync(int(f.Fd())))
}
