//go:build !unix

package server

import (
	"math"
	"net"
)

func openFiles() int { return math.MaxInt32 }

func arrived(net.Conn) bool { return false }

func hungUp(net.Conn) bool { return false }
