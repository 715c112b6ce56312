//go:build !linux

package main

// forbidCoreFiles is for Linux only.
func forbidCoreFiles() {}
