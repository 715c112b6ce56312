package auth

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// fileFormat is the number of the format of the keys file.
const fileFormat = 1

// fileJSON is the keys file.
type fileJSON struct {
	Format int         `json:"format"`
	Keys   []entryJSON `json:"keys"`
}

// entryJSON is an entry as the file has it. What may be left out is a pointer, so that no value means the
// same as none.
type entryJSON struct {
	Name    string     `json:"name"`
	ID      string     `json:"id"`
	Hash    string     `json:"hash"`
	Tenant  *string    `json:"tenant,omitzero"`
	Scopes  []string   `json:"scopes"`
	Created *time.Time `json:"created"`
	Expires *time.Time `json:"expires,omitzero"`
	Rate    *string    `json:"rate,omitzero"`
	Quota   *int64     `json:"quota,omitzero"`
	Revoked *time.Time `json:"revoked,omitzero"`
}

// Parse reads a keys file. Its errors say where the file is wrong and quote nothing of it but the names
// of keys.
func Parse(content []byte) (*Keys, error) {
	list, err := parse(content)
	if err != nil {
		return nil, err
	}
	return NewKeys(list), nil
}

func parse(content []byte) ([]Key, error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, errors.New("it is empty: a file without keys is {\"format\": 1, \"keys\": []}")
	}
	var file fileJSON
	if err := json.Unmarshal(content, &file, json.RejectUnknownMembers(true)); err != nil {
		return nil, locate(content, err)
	}
	switch {
	case file.Format != fileFormat:
		return nil, fmt.Errorf("its format is %d, and this version reads %d", file.Format, fileFormat)
	case file.Keys == nil:
		return nil, errors.New("it has no member keys")
	}
	return keysOf(file.Keys)
}

// pointers are those into what the format has: no other member's name is shown.
var pointers = regexp.MustCompile(`^/(format|keys(/\d+(/(name|id|hash|tenant|scopes|created|expires|rate|quota|revoked)(/\d+)?)?)?)$`)

// locate says where the content is wrong. The text of the error may quote it.
func locate(content []byte, err error) error {
	at, pointer, what := int64(len(content)), "", "not as the format has it"
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at, what = syntactic.ByteOffset, "no JSON, or a member is there twice"
	} else if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		at, pointer = semantic.ByteOffset, string(semantic.JSONPointer)
	}
	if !pointers.MatchString(pointer) {
		pointer = ""
	} else {
		pointer = " (" + pointer + ")"
	}
	line := 1 + bytes.Count(content[:min(at, int64(len(content)))], []byte("\n"))
	return fmt.Errorf("line %d%s is %s", line, pointer, what)
}

func keysOf(entries []entryJSON) ([]Key, error) {
	list := make([]Key, len(entries))
	ids := make(map[string]bool, len(entries))
	for i := range entries {
		err := entries[i].to(&list[i])
		if err == nil && ids[list[i].ID] {
			err = errors.New("its id is that of an entry before it")
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d%s: %w", i+1, called(entries[i].Name), err)
		}
		ids[list[i].ID] = true
	}
	return list, nil
}

// called names an entry if it has a name that can be shown.
func called(name string) string {
	if CheckName(name) != nil {
		return ""
	}
	return " (" + name + ")"
}

var names = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// ErrName says that a text is no name of a key or a tenant.
var ErrName = errors.New("a name has up to 63 of a-z, 0-9, dot, _ and -, the first a letter or digit, and is no token")

// CheckName returns ErrName if the text is no name of a key or a tenant.
func CheckName(name string) error {
	if !names.MatchString(name) || tokens.MatchString(name) {
		return ErrName
	}
	return nil
}

// to checks the entry and makes a key of it.
func (e *entryJSON) to(k *Key) (err error) {
	if err := CheckName(e.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	*k = Key{Name: e.Name, ID: e.ID, Tenant: DefaultTenant}
	if !isID(e.ID) {
		return fmt.Errorf("id: it is not %d of a-z and 0-9", idLength)
	}
	if n, err := hex.Decode(k.Hash[:], []byte(e.Hash[:min(len(e.Hash), 2*len(k.Hash))])); err != nil || n != len(k.Hash) || len(e.Hash) != 2*n {
		return errors.New("hash: it is not a SHA-256 in hexadecimal")
	}
	if e.Tenant != nil {
		k.Tenant = *e.Tenant
	}
	if err := CheckName(k.Tenant); err != nil {
		return fmt.Errorf("tenant: %w", err)
	}
	if k.Scopes, err = scopesOf(e.Scopes); err != nil {
		return fmt.Errorf("scopes: %w", err)
	}
	return errors.Join(e.times(k), e.limits(k))
}

// earliest is before any key was made. The zero time, which a Key has for none, is before it too.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (e *entryJSON) times(k *Key) error {
	if e.Created == nil {
		return errors.New("created: it is missing")
	}
	for name, from := range map[string]struct {
		time *time.Time
		to   *time.Time
	}{"created": {e.Created, &k.Created}, "expires": {e.Expires, &k.Expires}, "revoked": {e.Revoked, &k.Revoked}} {
		if from.time == nil {
			continue
		}
		if from.time.Before(earliest) {
			return fmt.Errorf("%s: it is before the year %d", name, earliest.Year())
		}
		*from.to = from.time.UTC()
	}
	return nil
}

func (e *entryJSON) limits(k *Key) (err error) {
	if e.Rate != nil {
		if k.Rate, err = ParseRate(*e.Rate); err != nil {
			return fmt.Errorf("rate: %w", err)
		}
	}
	if e.Quota == nil {
		return nil
	}
	if k.Quota = *e.Quota; k.Quota < 1 || k.Quota > maxJobs {
		return fmt.Errorf("quota: %w", errNotQuota)
	}
	return nil
}

// format writes a keys file.
func format(list []Key) ([]byte, error) {
	file := fileJSON{Format: fileFormat, Keys: make([]entryJSON, len(list))}
	for i := range list {
		file.Keys[i] = entryOf(&list[i])
	}
	b, err := json.Marshal(file, jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

func entryOf(k *Key) entryJSON {
	e := entryJSON{Name: k.Name, ID: k.ID, Hash: hex.EncodeToString(k.Hash[:]), Tenant: &k.Tenant, Scopes: k.Scopes.Names(),
		Created: &k.Created, Expires: ifAny(k.Expires), Revoked: ifAny(k.Revoked)}
	if rate := k.Rate.String(); rate != "" {
		e.Rate = &rate
	}
	if k.Quota > 0 {
		e.Quota = &k.Quota
	}
	return e
}

func ifAny(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
