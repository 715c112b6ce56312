package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// originList are origins, each exactly as browsers write it in the header Origin.
func originList(field func(*Config) *string) kind {
	return kind{
		word:    "origins",
		allowed: "origins as browsers write them, such as https://app.example.com or http://localhost:3000, separated by commas",
		set: at(field, func(text string) (string, error) {
			for one := range strings.SplitSeq(text, ",") {
				if err := checkOrigin(one); err != nil {
					return "", err
				}
			}
			return text, nil
		}),
	}
}

// errAnyOrigin is for *, with which every page that a user of the network visits could use the API.
var errAnyOrigin = errors.New(`"*" would let every web page use the API: name the origins`)

// checkOrigin refuses what no browser would ever send, since it would allow nobody.
func checkOrigin(text string) error {
	if text == "*" {
		return errAnyOrigin
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !isHost(u.Host) || strings.HasSuffix(u.Host, ".") && u.Port() == "" {
		return fmt.Errorf("%s is not an origin", quote(text))
	}
	host, port := u.Host, u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		if host, _, err = net.SplitHostPort(host); err == nil && strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
	}
	if want := u.Scheme + "://" + strings.ToLower(host); text != want {
		return fmt.Errorf("%s: browsers write it %s", quote(text), want)
	}
	return nil
}
