package config

import "fmt"

// noAuth says why an address beyond loopback would let strangers in; "" if it would not.
func (l *loading) noAuth() string {
	if l.config.APIKeys != "" || l.config.InsecureNoAuth {
		return ""
	}
	return "there is no authentication without api-keys: anyone who reaches the port could submit, read and cancel jobs"
}

// noTLS says why an address beyond loopback would show keys to strangers; "" if it would not.
func (l *loading) noTLS() string {
	if l.config.APIKeys == "" || l.config.TLSCert != "" || l.config.InsecureNoTLS {
		return ""
	}
	return "there is no TLS without tls-cert: anyone who sees the traffic has the keys and the secrets"
}

// checkExposure refuses to open the server to others by accident.
func (l *loading) checkExposure() {
	for _, name := range []string{"listen", "api-keys", "insecure-no-auth", "tls-cert", "tls-key", "insecure-no-tls"} {
		if l.bad[name] {
			return
		}
	}
	if l.config.loopback() {
		return
	}
	problem, remedy := l.noAuth(), "give the file of api-keys, or, if the network keeps strangers out, set insecure-no-auth to true"
	if problem == "" {
		problem, remedy = l.noTLS(), "give tls-cert and tls-key, or, if a proxy in front terminates TLS, set insecure-no-tls to true"
	}
	if listen := l.last["listen"]; problem != "" {
		l.refuse(listen, fmt.Sprintf("%s is reachable from beyond this machine, and %s", quote(listen.text), problem),
			"listen on 127.0.0.1, [::1] or localhost, "+remedy)
	}
}

// checkTLS refuses a part of TLS without the rest.
func (l *loading) checkTLS() {
	for _, needs := range [][2]string{{"tls-cert", "tls-key"}, {"tls-key", "tls-cert"}, {"tls-client-ca", "tls-cert"}} {
		name, other := needs[0], needs[1]
		if _, there := l.last[other]; l.last[name].setting != nil && !there && !l.bad[other] && !l.bad[name] {
			l.refuse(l.last[name], "it is of no use without "+other, "give tls-cert and tls-key, or leave it out")
		}
	}
}
