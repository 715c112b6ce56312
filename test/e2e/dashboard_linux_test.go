package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var drawDashboard = flag.String("draw-dashboard", "", "file in which TestDashboardHasData draws what the dashboard shows after a load of two minutes")

// panel is one of the dashboard.
type panel struct {
	Type, Title string
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
}

// dashboard reads the one that comes with hashd, with the variables of its queries filled in.
func dashboard(t *testing.T, window string) []panel {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/hashd.json")
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer("$instance", ".*", "$__rate_interval", window).Replace(string(text)))
	var board struct{ Panels []panel }
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	return board.Panels
}

// watchedServers are one on a disk with TLS, and one on a NATS cluster: together they have every metric.
func watchedServers(t *testing.T, delay string) (servers []*instance, clients []*client, targets []string) {
	t.Helper()
	files := newPair(t)
	for n, args := range [][]string{append(files.args(), onDisk(t.TempDir())...), newFleet(t).args} {
		i, target := ops(t, append(args, "--delay="+delay)...)
		c := i.client(t)
		if n == 0 {
			c = files.client(t, i)
		}
		servers, clients, targets = append(servers, i), append(clients, c), append(targets, strings.TrimPrefix(target, "http://"))
	}
	return servers, clients, targets
}

// load has each server do all that the dashboard shows, at that pace, until ctx ends.
func load(ctx context.Context, clients []*client, pace time.Duration) {
	var group sync.WaitGroup
	defer group.Wait()
	for _, c := range clients {
		for range 3 {
			group.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					algorithm := []string{"sha512", "sha256", "sha3-512"}[n%3]
					_, _ = c.try(ctx, http.MethodPost, "/hash", fmt.Sprintf(`{"password":"secret %d","algorithm":%q}`, n, algorithm))
					if n%5 == 0 {
						_, _ = c.try(ctx, http.MethodGet, "/stats", "")
					}
					if n%10 == 0 {
						_, _ = c.try(ctx, http.MethodGet, "/hash/9007199254740991", "")
						_, _ = c.try(ctx, http.MethodPost, "/hash/batch", `{"passwords":["a","b","c","d","e","f"]}`)
					}
					select {
					case <-time.After(pace + pace*time.Duration(n%40)/20): // so that it comes in waves
					case <-ctx.Done():
					}
				}
			})
		}
	}
}

// Every query of the dashboard returns figures from a real Prometheus that scrapes real servers under load: one that stores
// native histograms, and one that stores classic ones.
func TestDashboardHasData(t *testing.T) {
	t.Parallel()
	if *drawDashboard != "" {
		draw(t, *drawDashboard)
		return
	}
	servers, clients, targets := watchedServers(t, "300ms")
	stores := map[string]prometheus{"native": watch(t, scraping{targets, unhurried, true}), "classic": watch(t, scraping{targets, unhurried, false})}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { load(ctx, clients, 5*time.Millisecond) })
	defer group.Wait()
	defer cancel()
	for _, p := range dashboard(t, "1m") {
		for _, target := range p.Targets {
			for kind, store := range stores {
				eventually(t, fmt.Sprintf("with %s histograms %q has figures: %s", kind, p.Title, target.Expr), func() bool {
					var v vector
					return store.get(t, "/api/v1/query?query="+url.QueryEscape(target.Expr), &v) && hasFigures(v)
				})
			}
		}
	}
	cancel()
	group.Wait()
	for _, i := range servers {
		i.stop(t)
	}
}

// hasFigures says whether one of the values is a number.
func hasFigures(v vector) bool {
	for _, r := range v.Data.Result {
		if f, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64); err == nil && f == f {
			return true
		}
	}
	return false
}
