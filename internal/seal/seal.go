// Package seal keeps secrets and digests unreadable wherever they leave the process: on a disk, on
// the wire to a broker, in a backup of either. It owns the keys' format and their rotation; it
// must not know what is sealed nor where it goes.
//
// A ring is one or more keys in Tink's JSON form. Its primary key seals, and each of its keys
// opens, so that what an older key sealed stays readable for as long as that key is in the ring.
package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrDamaged says that sealed bytes are not what was sealed, or were sealed with other associated data.
var ErrDamaged = errors.New("sealed data is damaged or not where it belongs")

// UnknownKeyError says that the ring lacks the key with which something was sealed.
type UnknownKeyError struct{ ID uint32 }

// Error implements error.
func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("sealed with key %d, which is not in the ring: restore the ring that has it from a backup", e.ID)
}

// Sealer seals and opens with the keys of a ring. It is safe for concurrent use.
type Sealer struct {
	aead tink.AEAD
	keys map[uint32]bool
}

// New returns a Sealer with the ring's keys. No error quotes the ring.
func New(ring []byte) (*Sealer, error) {
	handle, err := parse(ring)
	if err != nil {
		return nil, err
	}
	a, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("the ring holds a key that cannot seal: it needs AEAD keys")
	}
	s := &Sealer{aead: a, keys: make(map[uint32]bool)}
	for _, k := range handle.KeysetInfo().GetKeyInfo() {
		s.keys[k.GetKeyId()] = true
	}
	return s, nil
}

func parse(ring []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(ring)))
	if err != nil {
		return nil, errors.New("not a ring: want a Tink keyset in JSON" + marked(ring))
	}
	return handle, nil
}

// marked tells of the byte order mark that an editor put before a ring, which nobody sees; "" if there is none.
func marked(ring []byte) string {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(ring, []byte(mark)) {
			return fmt.Sprintf("; this begins with a byte order mark (% X): save it as UTF-8 without one", mark)
		}
	}
	return ""
}

// Seal returns plain sealed with the primary key. It opens only with the same associated data: a sealed
// record that is put in another's place is as good as damaged.
func (s *Sealer) Seal(plain, associatedData []byte) ([]byte, error) {
	sealed, err := s.aead.Encrypt(plain, associatedData)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// A sealed record begins with a byte of Tink's and its key's id.
const (
	tinkPrefix  = 1
	prefixBytes = 5
)

// Open returns what was sealed. It returns an *UnknownKeyError or ErrDamaged.
func (s *Sealer) Open(sealed, associatedData []byte) ([]byte, error) {
	if len(sealed) < prefixBytes || sealed[0] != tinkPrefix {
		return nil, ErrDamaged
	}
	if id := binary.BigEndian.Uint32(sealed[1:]); !s.keys[id] {
		return nil, &UnknownKeyError{id}
	}
	plain, err := s.aead.Decrypt(sealed, associatedData)
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// Generate returns a ring of one new key. It is XAES-256-GCM (C2SP), whose nonces of 192 bits can be
// drawn at random without counting: those of plain AES-GCM must not be drawn more than 2^32 times
// (NIST SP 800-38D, section 8.3), which a busy server reaches in weeks.
func Generate() ([]byte, error) {
	return rotate(keyset.NewManager())
}

// Rotate returns the ring with one more key, new, as its primary.
func Rotate(ring []byte) ([]byte, error) {
	handle, err := parse(ring)
	if err != nil {
		return nil, err
	}
	return rotate(keyset.NewManagerFromHandle(handle))
}

func rotate(m *keyset.Manager) ([]byte, error) {
	id, err := m.Add(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b)); err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	return append(b.Bytes(), '\n'), nil
}
