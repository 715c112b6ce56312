// Command image makes the image that the Dockerfile describes, without a container engine, of what the Dockerfile's
// build stage would have made:
//
//	image build DOCKERFILE ARCHIVE PLATFORM=FOLDER...   such as linux/amd64=bin/image/amd64
//	image push ARCHIVE REFERENCE...
//
// A folder stands for the root of the build stage. The archive is an OCI layout with the images of all platforms below
// one index; the same files give the same bytes. What build prints is the digest of the index.
package main

import (
	"errors"
	"fmt"
	"os"
)

func run(args []string) error {
	switch {
	case len(args) > 3 && args[0] == "build":
		digest, err := build(args[1], args[2], args[3:])
		if err == nil {
			fmt.Println(digest)
		}
		return err
	case len(args) > 2 && args[0] == "push":
		return push(args[1], args[2:])
	}
	return errors.New("usage: image build DOCKERFILE ARCHIVE PLATFORM=FOLDER... | image push ARCHIVE REFERENCE...")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}
