package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// prefixes are addresses, one by one or by what they begin with.
func prefixes(field func(*Config) *string) kind {
	return kind{
		word:    "prefixes",
		allowed: "IP addresses or prefixes such as 10.0.0.0/8, separated by commas",
		set: at(field, func(text string) (string, error) {
			_, err := parsePrefixes(text)
			return text, err
		}),
	}
}

// parsePrefixes refuses a prefix of all addresses: who believes everybody believes whatever a client makes up.
func parsePrefixes(text string) (list []netip.Prefix, err error) {
	if text == "" {
		return nil, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(one)
		if a, errAddr := netip.ParseAddr(one); errAddr == nil && a.Zone() == "" {
			prefix, err = a.Prefix(a.BitLen())
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s is not an address or prefix such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32", quote(one))
		case prefix.Bits() == 0:
			return nil, fmt.Errorf("%s is every address", quote(one))
		case prefix.Addr().Is4In6():
			return nil, fmt.Errorf("%s is an address of IPv4: write it as one", quote(one))
		case prefix != prefix.Masked():
			return nil, fmt.Errorf("%s has bits beyond its length: %s has not", quote(one), prefix.Masked())
		}
		list = append(list, prefix)
	}
	return list, nil
}
