package config

// Error says what is wrong with one setting. Load returns one for each, joined with
// errors.Join; errors.AsType and errors.As find them.
type Error struct {
	// Setting is the flag name of the setting; "" if the source names none that exists, or if
	// the error is about a file as a whole.
	Setting string

	// Source is where the value came from, as one would look for it: "flag --delay",
	// "environment HASHD_DELAY" or "file PATH, key delay, line N".
	Source string

	// Problem is what is wrong; it quotes the value, shortened if long.
	Problem string

	// Remedy is what to do: usually the values that are allowed. It may be "".
	Remedy string

	// Err is the cause, such as an *fs.PathError; nil if there is none beneath.
	Err error
}

// Error returns all of it on one line.
func (e *Error) Error() string {
	text := e.Source + ": " + e.Problem
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
