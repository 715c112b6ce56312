package main

import "testing"

func TestReachable(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		":80":            "127.0.0.1:80",
		"0.0.0.0:80":     "127.0.0.1:80",
		"[::]:80":        "[::1]:80",
		"[::1]:80":       "[::1]:80",
		"127.0.0.2:80":   "127.0.0.2:80",
		"10.0.0.1:80":    "10.0.0.1:80",
		"hashd.example:": "hashd.example:",
	} {
		if got := reachable(address); got != want {
			t.Errorf("%s is reached at %s, want %s", address, got, want)
		}
	}
}
