package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// packer writes archives that depend on nothing but what is in them: each time is the same, owners are numbers, and
// permissions are those of a common umask.
type packer struct {
	*tar.Writer
	at   time.Time
	done map[string]bool // folders
}

func newPacker(to io.Writer, at time.Time) *packer {
	return &packer{tar.NewWriter(to), at, map[string]bool{".": true}}
}

func (p *packer) head(h *tar.Header) error {
	h.ModTime, h.Format = p.at, tar.FormatUSTAR
	return p.WriteHeader(h)
}

// folders adds the folders that lead to a file, owned by root.
func (p *packer) folders(to string) error {
	if p.done[to] {
		return nil
	}
	if err := p.folders(path.Dir(to)); err != nil {
		return err
	}
	p.done[to] = true
	return p.head(&tar.Header{Typeflag: tar.TypeDir, Name: to + "/", Mode: 0o755})
}

// add adds what is at from, a file or a folder with all that is in it.
func (p *packer) add(from string, c copied) error {
	if err := p.folders(path.Dir(c.to)); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: path.Join(c.to, filepath.ToSlash(below)), Uid: c.uid, Gid: c.gid, Mode: c.mode(info)}
		switch {
		case d.IsDir():
			p.done[h.Name] = true
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
			return p.head(h)
		case d.Type().IsRegular():
			h.Typeflag, h.Size = tar.TypeReg, info.Size()
			if err := p.head(h); err != nil {
				return err
			}
			return p.content(at)
		}
		return fmt.Errorf("%s is neither a file nor a folder", at)
	})
}

// mode returns the permissions: the owner's, and everybody's but for writing. What is not root's is its owner's alone.
func (c copied) mode(info fs.FileInfo) int64 {
	own := int64(info.Mode().Perm() & 0o700)
	if c.uid != 0 {
		return own
	}
	return own | (own>>3|own>>6)&0o055
}

func (p *packer) content(of string) error {
	f, err := os.Open(of)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(p, f)
	return err
}

// pack returns an archive of one thing.
func pack(context string, c copied, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	p := newPacker(&b, at)
	if err := p.add(filepath.Join(context, filepath.FromSlash(strings.Trim(c.from, "/"))), c); err != nil {
		return nil, err
	}
	err := p.Close()
	return b.Bytes(), err
}
