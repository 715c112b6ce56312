package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// recipe is what the last stage of a Dockerfile says.
type recipe struct {
	config v1.Config
	copies []copied
}

// copied is one file or folder that goes from the build stage into the image.
type copied struct {
	from, to string
	uid, gid int
}

// readRecipe reads the last stage of a Dockerfile. It refuses what it would not do as a builder does.
func readRecipe(path string) (*recipe, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		return nil, fmt.Errorf("%s: the image is made from %s, and only from scratch can be made here", path, last.BaseName)
	}
	r := &recipe{config: v1.Config{
		Labels: map[string]string{}, ExposedPorts: map[string]struct{}{}, Volumes: map[string]struct{}{},
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, // as builders set it
		WorkingDir: "/",
	}}
	for _, command := range last.Commands {
		if err := r.take(command); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, command.Location()[0].Start.Line, err)
		}
	}
	return r, nil
}

func (r *recipe) take(command instructions.Command) error {
	switch c := command.(type) {
	case *instructions.CopyCommand:
		return r.copy(c)
	case *instructions.LabelCommand:
		for _, l := range c.Labels {
			r.config.Labels[unquoted(l.Key)] = unquoted(l.Value)
		}
	case *instructions.UserCommand:
		r.config.User = c.User
	case *instructions.ExposeCommand:
		for _, port := range c.Ports {
			if !strings.Contains(port, "/") {
				port += "/tcp"
			}
			r.config.ExposedPorts[port] = struct{}{}
		}
	case *instructions.VolumeCommand:
		for _, volume := range c.Volumes {
			r.config.Volumes[volume] = struct{}{}
		}
	case *instructions.HealthCheckCommand:
		r.config.Healthcheck = &v1.HealthConfig{
			Test: c.Health.Test, Interval: c.Health.Interval, Timeout: c.Health.Timeout, StartPeriod: c.Health.StartPeriod, Retries: c.Health.Retries,
		}
	case *instructions.StopSignalCommand:
		r.config.StopSignal = c.Signal
	case *instructions.EntrypointCommand:
		if c.PrependShell {
			return fmt.Errorf("%s needs a shell, which is not in the image", c)
		}
		r.config.Entrypoint = c.CmdLine
	default:
		return fmt.Errorf("%s is not known here", command.Name())
	}
	return nil
}

func (r *recipe) copy(c *instructions.CopyCommand) error {
	if c.From == "" || c.Chmod != "" || c.Parents || c.Link || len(c.ExcludePatterns) > 0 || len(c.SourcePaths) != 1 || len(c.SourceContents) > 0 {
		return fmt.Errorf("%s is not known here: only COPY --from=STAGE [--chown=UID:GID] ONE TO", c)
	}
	one := copied{from: c.SourcePaths[0], to: strings.Trim(c.DestPath, "/")}
	if c.Chown != "" {
		uid, gid, _ := strings.Cut(c.Chown, ":")
		var errs [2]error
		one.uid, errs[0] = strconv.Atoi(uid)
		one.gid, errs[1] = strconv.Atoi(gid)
		if errs[0] != nil || errs[1] != nil {
			return fmt.Errorf("--chown=%s: only numbers are known here, UID:GID", c.Chown)
		}
	}
	r.copies = append(r.copies, one)
	return nil
}

// unquoted takes off the quotes that the parser leaves for a shell to take off.
func unquoted(text string) string {
	if plain, err := strconv.Unquote(text); err == nil {
		return plain
	}
	return text
}

// stamped returns the configuration with what the binary knows of its source, as labels of the OCI.
func (r *recipe) stamped(version, revision string, at time.Time) v1.Config {
	c := *r.config.DeepCopy()
	c.Labels["org.opencontainers.image.version"] = version
	c.Labels["org.opencontainers.image.revision"] = revision
	c.Labels["org.opencontainers.image.created"] = at.Format(time.RFC3339)
	return c
}
