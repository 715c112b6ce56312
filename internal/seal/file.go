package seal

import (
	"fmt"

	"github.com/hashd-project/hashd/v2/internal/private"
)

// ReadFile returns a Sealer with the ring in the file. A file that is not private is refused, with a
// *private.ExposedError. The error of a file that is not there is fs.ErrNotExist.
func ReadFile(path string) (*Sealer, error) {
	ring, err := private.Read(path)
	if err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	defer clear(ring)
	s, err := New(ring)
	if err != nil {
		return nil, fmt.Errorf("ring %s: %w", path, err)
	}
	return s, nil
}

// CreateFile writes a new ring of one key to a file that must not exist yet, with mode 0600; else it
// returns fs.ErrExist. Once it returns, the file is on the disk.
func CreateFile(path string) error {
	ring, err := Generate()
	if err != nil {
		return err
	}
	defer clear(ring)
	if err := private.Create(path, ring); err != nil {
		return fmt.Errorf("ring: %w", err)
	}
	return nil
}

// RotateFile adds a new primary key to the ring in the file. Where the path is a link, it changes the
// file that the link leads to. If it is killed at any point, the file holds the old ring or the new one.
func RotateFile(path string) error {
	if err := private.Replace(path, Rotate); err != nil {
		return fmt.Errorf("ring %s: %w", path, err)
	}
	return nil
}
