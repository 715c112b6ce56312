package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hashd-project/hashd/v2/client"
)

// tailOptions is what tail is told.
type tailOptions struct {
	after client.JobID
	state string
	once  bool
}

func (p *program) tailCommand() *cobra.Command {
	var o tailOptions
	c := &cobra.Command{
		Use: "tail", Short: "Follow the hashes as they are done", Long: tailUsage, Args: noMoreArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			jobs, err := p.jobs(c.Context(), p.tailPatience(c), p.patiently())
			if err == nil {
				err = p.tail(c.Context(), jobs, o)
			}
			if err != nil {
				return &runError{err}
			}
			return nil
		},
	}
	f := c.Flags()
	f.Int64Var(&o.after, "after", 0, "the id after which to begin")
	f.StringVar(&o.state, "state", "", "file that notes how far it has come")
	f.BoolVar(&o.once, "once", false, "end where nothing more is done")
	return c
}

// tailPatience is how long requests are tried again: for ever, unless the user says otherwise.
func (p *program) tailPatience(c *cobra.Command) time.Duration {
	if c.Flags().Changed("retry-for") {
		return p.retryFor
	}
	return 0
}

// position is how far a tail has come, as its state file holds it.
type position struct {
	Store string       `json:"store"`
	After client.JobID `json:"after"`
}

func (p *program) tail(ctx context.Context, jobs *client.Jobs, o tailOptions) error {
	if o.after < 0 {
		return &usageError{"--after must not be negative", "0, the default, begins with the oldest hash that is there"}
	}
	at, err := o.begin(ctx, jobs)
	if err != nil {
		return err
	}
	t := &tailing{finder: p.finder(), at: at, file: o.state, noted: at}
	if o.once {
		err = t.once(ctx, jobs)
	} else {
		err = t.follow(ctx, jobs)
	}
	if err = errors.Join(err, t.note()); err == nil {
		return nil
	}
	if changed, ok := errors.AsType[*client.StoreChangedError](err); ok {
		return &failure{changed, "ids begin anew there; " + o.anew()}
	}
	if ctx.Err() != nil && o.state == "" {
		return &failure{err, fmt.Sprintf("--after %d goes on where this one stopped", t.at.After)}
	} else if ctx.Err() != nil {
		return &failure{err, "the same command goes on where this one stopped"}
	}
	return err
}

func (o *tailOptions) anew() string {
	if o.state != "" {
		return "remove " + o.state + " to begin with its oldest hash"
	}
	return "begin again without --after"
}

// begin returns where to begin: where an earlier tail has ended, if there is a state file.
func (o *tailOptions) begin(ctx context.Context, jobs *client.Jobs) (position, error) {
	status, err := jobs.Status(ctx)
	if err != nil {
		return position{}, err
	}
	at := position{Store: status.Store, After: o.after}
	if o.state == "" {
		return at, nil
	}
	text, err := os.ReadFile(o.state)
	if errors.Is(err, fs.ErrNotExist) {
		return at, nil
	}
	var noted position
	if err == nil {
		err = json.Unmarshal(text, &noted)
	}
	switch {
	case err != nil || noted.Store == "" || noted.After < 0:
		return at, &usageError{o.state + " is not the state of a tail", "name another --state"}
	case o.after != 0:
		return at, &usageError{"--after and a --state that is there exclude each other", "leave one of them out"}
	case noted.Store != at.Store:
		return at, &client.StoreChangedError{Before: noted.Store, Now: at.Store}
	}
	return noted, nil
}

// tailing is a tail under way.
type tailing struct {
	*finder
	at    position
	file  string
	noted position
}

// follow prints what is done until ctx ends.
func (t *tailing) follow(ctx context.Context, jobs *client.Jobs) error {
	return pump(ctx, func(ctx context.Context) iter.Seq2[client.Result, error] { return t.results(ctx, jobs) }, t.take)
}

// results yields what is done of the store in which the tail began.
func (t *tailing) results(ctx context.Context, jobs *client.Jobs) iter.Seq2[client.Result, error] {
	return func(yield func(client.Result, error) bool) {
		known := false // that it is of that store
		for one, err := range jobs.Results(ctx, t.at.After) {
			if err == nil && !known {
				err = t.sameStore(ctx, jobs)
				known = true
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}

// once prints what is done now.
func (t *tailing) once(ctx context.Context, jobs *client.Jobs) error {
	for {
		page, err := jobs.Done(ctx, t.at.After)
		if err == nil {
			err = t.sameStore(ctx, jobs)
		}
		if err != nil || page.Next == t.at.After {
			return errors.Join(err, t.out.Flush())
		}
		for _, one := range page.Results {
			if err := t.take(one, false); err != nil {
				return err
			}
		}
		t.at.After = page.Next
		if err := t.note(); err != nil {
			return err
		}
	}
}

// sameStore says whether the server still has the store in which the tail began. It is asked after a page and before that
// is printed, so that nothing of another store is.
func (t *tailing) sameStore(ctx context.Context, jobs *client.Jobs) error {
	status, err := jobs.Status(ctx)
	if err == nil && status.Store != t.at.Store {
		err = &client.StoreChangedError{Before: t.at.Store, Now: status.Store}
	}
	return err
}

// take prints one, and if no other waits sees to it that it is read and noted.
func (t *tailing) take(one client.Result, last bool) error {
	if err := t.print(one); err != nil {
		return err
	}
	t.at.After = one.Id
	if last {
		return t.note()
	}
	return nil
}

// note writes down how far the output has come: only once that is written itself, so that whoever goes on from
// there has lost nothing.
func (t *tailing) note() error {
	if err := t.out.Flush(); err != nil {
		return err
	}
	if t.file == "" || t.at == t.noted {
		return nil
	}
	text, err := json.Marshal(t.at)
	if err == nil {
		err = replaceFile(t.file, append(text, '\n'))
	}
	if err != nil {
		return &failure{err, "check --state"}
	}
	t.noted = t.at
	return nil
}

// replaceFile puts the text into a file, of which others see all or nothing.
func replaceFile(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
	}
	return nil
}
