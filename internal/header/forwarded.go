package header

import "strings"

// Forwarded returns whom each proxy heard by the field Forwarded (RFC 7239, section 4), the first one
// first, and "" where one does not say. It returns false if any part of the line is malformed: what was
// begun wrongly on purpose could swallow what a proxy added behind it.
func Forwarded(line string) (nodes []string, ok bool) {
	for element := range split(line, ',') {
		node, seen := "", false
		for parameter := range split(element, ';') {
			name, value, ok := pair(parameter)
			isFor := strings.EqualFold(name, "for")
			if !ok || isFor && seen {
				return nil, false
			}
			if isFor {
				node, seen = value, true
			}
		}
		nodes = append(nodes, node)
	}
	return nodes, true
}

// ForwardedFor returns whom each proxy heard by the field X-Forwarded-For, the first one first. No standard
// has the field, and nobody quotes in it.
func ForwardedFor(line string) []string {
	nodes := strings.Split(line, ",")
	for i := range nodes {
		nodes[i] = trim(nodes[i])
	}
	return nodes
}
