// Package needs ends a test for which the machine lacks something: the test is skipped, and says what
// would help. In CI, where nothing may be skipped, it fails and says the same.
package needs

import (
	"os"
	"os/exec"
	"testing"
)

// Processes skips a test that runs other programs under -short, with which a package's tests take a moment.
func Processes(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no other programs")
	}
}

// Missing ends the test. The text names what is missing, and how to get it.
func Missing(t testing.TB, text string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(text + " (CI may skip nothing)")
		return
	}
	t.Skip(text)
}

// Tool returns the path of a program, or ends the test: advice says how to install it.
func Tool(t testing.TB, name, advice string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "no "+name+": "+advice)
	}
	return path
}

// Debian is the advice for a program that is in a package of Debian's.
func Debian(name string) string {
	return "install it (Debian: apt-get install " + name + ") for this test"
}
