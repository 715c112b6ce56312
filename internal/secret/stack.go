package secret

// stackBytes covers the frames of a hash function and what it calls.
const stackBytes = 4096

// ScrubStack overwrites what functions that have returned left on the stack of the caller: a hash
// function works on copies of a secret's last block, and its stack may not be used again for long. A
// goroutine that calls it before the first secret too has a stack that need not grow later, which
// would leave the old one as it was.
//
//go:noinline
func ScrubStack() {
	var dead [stackBytes]byte
	touch(&dead)
}

// touch keeps the compiler from leaving the array out.
//
//go:noinline
func touch(*[stackBytes]byte) {}
