package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// source is what a binary knows of where it comes from.
type source struct {
	version, revision string
	at                time.Time // of the commit
	platform          v1.Platform
}

// sourceOf reads what the toolchain stamped into a binary.
func sourceOf(binary string) (source, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return source{}, err
	}
	s := source{version: strings.TrimPrefix(info.Main.Version, "v")}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			s.revision = setting.Value
		case "vcs.time":
			s.at, err = time.Parse(time.RFC3339, setting.Value)
		case "GOOS":
			s.platform.OS = setting.Value
		case "GOARCH":
			s.platform.Architecture = setting.Value
		}
	}
	if s.revision == "" || err != nil {
		return source{}, errors.Join(fmt.Errorf("%s does not know its commit: build it in a clone, without -buildvcs=false", binary), err)
	}
	return s, nil
}

// build makes an archive and returns the digest of the index in it.
func build(dockerfile, archive string, folders []string) (v1.Hash, error) {
	r, err := readRecipe(dockerfile)
	if err != nil {
		return v1.Hash{}, err
	}
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var of source
	for _, one := range folders {
		platform, context, _ := strings.Cut(one, "=")
		src, err := sourceOf(filepath.Join(context, r.config.Entrypoint[0]))
		if err != nil {
			return v1.Hash{}, err
		}
		if src.platform.String() != platform {
			return v1.Hash{}, fmt.Errorf("%s is for %s", one, src.platform)
		}
		image, err := r.image(context, src)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("%s: %w", one, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &src.platform}})
		of = src
	}
	if err := write(archive, index, of); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}

// image makes the image of one platform.
func (r *recipe) image(context string, src source) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{
		OS: src.platform.OS, Architecture: src.platform.Architecture,
		Created: v1.Time{Time: src.at}, Config: r.stamped(src.version, src.revision, src.at),
		RootFS: v1.RootFS{Type: "layers"},
	})
	for _, c := range r.copies {
		if err != nil {
			return nil, err
		}
		image, err = appendCopy(image, context, c, src.at)
	}
	return image, err
}

func appendCopy(image v1.Image, context string, c copied, at time.Time) (v1.Image, error) {
	packed, err := pack(context, c, at)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	return mutate.Append(image, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: at}, CreatedBy: fmt.Sprintf("COPY %s /%s", c.from, c.to)},
	})
}

// write writes an archive of an OCI layout that has the index alone, under the version as its name.
func write(archive string, index v1.ImageIndex, src source) error {
	dir, err := os.MkdirTemp("", "hashd-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": src.version}))
	if err != nil {
		return err
	}
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	p := newPacker(f, src.at)
	for _, name := range []string{"oci-layout", "index.json", "blobs"} {
		if err := p.add(filepath.Join(dir, name), copied{to: name}); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(p.Close(), f.Close())
}
