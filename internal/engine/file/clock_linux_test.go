package file

import (
	"io/fs"
	"syscall"
	"testing"
	"time"
)

// machine is what the tag of the clock is made of.
type machine struct{ boot, space, shift string }

const missing = "missing" // a file that is not there

func (m machine) tag() uint64 {
	answer := func(content string) (string, error) {
		switch content {
		case missing:
			return "", fs.ErrNotExist
		case "":
			return "", syscall.EACCES
		}
		return content, nil
	}
	return tagOf(func(name string) ([]byte, error) {
		content := m.boot
		if name == "/proc/self/timens_offsets" {
			content = m.shift
		}
		s, err := answer(content)
		return []byte(s), err
	}, func(string) (string, error) { return answer(m.space) })
}

// The clock of one boot is shifted in each time namespace: readings are compared only where nothing
// that they depend on differs.
func TestClockTagTellsTimeNamespacesApart(t *testing.T) {
	t.Parallel()
	here := machine{"boot a", "time:[1]", "monotonic 0 0 boottime 0 0"}
	if again := (machine{"boot a", "time:[1]", "monotonic 0 0 boottime 0 0"}); here.tag() == 0 || again.tag() != here.tag() {
		t.Error("the tag of one machine is not the same twice")
	}
	for what, other := range map[string]machine{
		"another boot":                      {"boot b", here.space, here.shift},
		"another namespace":                 {here.boot, "time:[2]", here.shift},
		"another shift in its number":       {here.boot, here.space, "monotonic 0 0 boottime 7200 0"},
		"a kernel without time namespaces":  {here.boot, missing, missing},
		"the parts cut elsewhere":           {"boot ", "atime:[1]", here.shift},
		"no boot id":                        {missing, here.space, here.shift},
		"a namespace that cannot be read":   {here.boot, "", here.shift},
		"a shift that cannot be read":       {here.boot, here.space, ""},
		"a namespace without a known shift": {here.boot, here.space, missing},
	} {
		if other.tag() == here.tag() {
			t.Errorf("%s has the same tag", what)
		}
	}
	for what, unknown := range map[string]machine{
		"boot": {missing, here.space, here.shift}, "namespace": {here.boot, "", here.shift}, "shift": {here.boot, here.space, missing},
	} {
		if tag := unknown.tag(); tag != 0 {
			t.Errorf("without a known %s the clock has tag %d", what, tag)
		}
	}
}

// In doubt a job waits longer: it is never taken for older than it is.
func TestElapsedInDoubt(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	accepted := moment{wall: 100 * hour, boot: 10 * hour, tag: 1}
	for what, tc := range map[string]struct {
		now  moment
		want time.Duration
	}{
		"the same clock":                             {moment{100*hour + 1, 11 * hour, 1}, hour},
		"the wall clock was set forward":             {moment{900 * hour, 11 * hour, 1}, hour},
		"the wall clock was set back":                {moment{1 * hour, 11 * hour, 1}, hour},
		"the clock went back, as of a snapshot":      {moment{101 * hour, 2 * hour, 1}, 0},
		"another namespace, two hours ahead":         {moment{100*hour + 1, 12 * hour, 2}, 1},
		"another namespace, and the wall set back":   {moment{99 * hour, 12 * hour, 2}, 0},
		"no such clock any more":                     {moment{101 * hour, 0, 0}, hour},
		"another boot, and the wall clock went back": {moment{99 * hour, 1 * hour, 3}, 0},
	} {
		if got := accepted.elapsed(tc.now); got != tc.want {
			t.Errorf("%s: %v have passed, want %v", what, got, tc.want)
		}
	}
}
