package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/client"
	"github.com/hashd-project/hashd/v2/internal/version"
)

func (p *program) statsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "Print the server's counters", Long: statsUsage, Args: noMoreArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.action(func(ctx context.Context, jobs *client.Jobs, _ []string) error {
			s, err := jobs.Stats(ctx)
			if err != nil {
				return err
			}
			return p.print(s, figures(s))
		}),
	}
}

// figures are the counters as people read them, a line each.
func figures(s client.Stats) string {
	late := func(l client.Lateness) string {
		return fmt.Sprintf("p50 %d µs, p90 %d µs, p99 %d µs, max %d µs", l.P50, l.P90, l.P99, l.Max)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "started    %s\ntotal      %d\naverage    %d µs\npending    %d\ncompleted  %d\ncanceled   %d\nrejected   %d\nkept       %d\nlateness   %s\n"+
		"last %d s\n  accepted   %d\n  average    %d µs\n  completed  %d\n  lateness   %s",
		s.Started.Format(time.RFC3339), s.Total, s.Average, s.Pending, s.Completed, s.Canceled, s.Rejected, s.Kept, late(s.Lateness),
		s.Recent.Seconds, s.Recent.Accepted, s.Recent.Average, s.Recent.Completed, late(s.Recent.Lateness))
	if len(s.Limits) > 0 {
		text.WriteString("\nlimits")
	}
	for _, u := range s.Limits {
		fmt.Fprintf(&text, "\n  %-20s  %d of %d", u.Name, u.Used, u.Limit)
	}
	for _, why := range []*string{s.Full, s.Refusing} {
		if why != nil {
			text.WriteString("\nall new jobs are refused: " + *why)
		}
	}
	return text.String()
}

func (p *program) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Print what runs at the server", Long: statusUsage, Args: noMoreArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.action(func(ctx context.Context, jobs *client.Jobs, _ []string) error {
			s, err := jobs.Status(ctx)
			if err != nil {
				return err
			}
			return p.print(s, fmt.Sprintf("status   %s\nversion  %s\ncommit   %s\nAPI      %s\nGo       %s\nstarted  %s\nstore    %s\nengine   %s\ndelay    %v",
				s.Status, s.Version, s.Commit, s.Api, s.Go, s.Started.Format(time.RFC3339), s.Store, s.Engine, seconds(s.Limits.Delay)))
		}),
	}
}

// build is what this binary was built of.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of hashctl", Long: versionUsage, Args: noMoreArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error { return p.printVersion() },
	}
}

func (p *program) printVersion() error {
	of := version.Read()
	b := build{Version: of.Version, Commit: of.Commit, Go: runtime.Version()}
	return p.print(b, fmt.Sprintf("hashctl %s (commit %s, %s)", b.Version, b.Commit, b.Go))
}

// seconds returns a time that the server gives in seconds.
func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
