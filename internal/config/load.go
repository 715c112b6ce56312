package config

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/spf13/pflag"
)

// Settings is the table with its flags registered. It is not safe for concurrent use.
type Settings struct {
	table []setting
	flags []*pflag.Flag // one a setting, in the table's order
}

// New registers a flag for each setting on fs. It panics if fs has a flag of one of these
// names, which is a mistake in the program and shows on its first run.
func New(fs *pflag.FlagSet) *Settings {
	s := &Settings{table: table()}
	for i := range s.table {
		row := &s.table[i]
		f := fs.VarPF(&flagText{text: row.initial, word: row.word}, row.name, "", row.usage)
		if row.word == "" {
			f.NoOptDefVal = "true"
		}
		s.flags = append(s.flags, f)
	}
	return s
}

// flagText is a pflag.Value that takes any text: Load checks it along with the other
// sources, so that a bad flag does not hide what else is wrong.
type flagText struct{ text, word string }

func (v *flagText) String() string { return v.text }

func (v *flagText) Type() string { return v.word }

func (v *flagText) Set(text string) error {
	v.text = text
	return nil
}

// given is a value for a setting, as a source gave it.
type given struct {
	setting *setting
	text    string
	source  string
}

// Load reads the file that --config or HASHD_CONFIG names, merges it with the environment and
// with the flags, which must have been parsed, and checks all of it. environ holds entries of
// the form NAME=value, as os.Environ returns them.
//
// It also returns the ring that HASHD_RING holds, nil if there is none. It is a secret, so it is no part
// of Config.
//
// The error is one *Error for each thing wrong, joined with errors.Join; Config is then zero.
func (s *Settings) Load(environ []string) (c Config, ring *string, err error) {
	l := s.merge(environ)
	if err := errors.Join(l.errs...); err != nil {
		return Config{}, nil, err
	}
	return l.config, ringFrom(environ), nil
}

// merge takes the values of all sources, and checks them.
func (s *Settings) merge(environ []string) *loading {
	env, envErrs := s.fromEnviron(environ)
	flags := s.fromFlags()
	file, fileErrs := s.fromFile(slices.Concat(env, flags))

	l := &loading{last: map[string]given{}, bad: map[string]bool{}, errs: slices.Concat(fileErrs, envErrs)}
	for _, g := range slices.Concat(s.fromDefaults(), file, env, flags) {
		l.take(g)
	}
	if port, ok := s.fromPlatform(environ); ok {
		l.takePlatform(port)
	}
	l.checkDrain()
	l.checkStorage()
	l.checkRing(ringFrom(environ) != nil)
	l.checkTLS()
	l.checkExposure()
	return l
}

// Text returns what the highest source gives for one setting, as it was written there; "" if none gives it.
// It is for commands that need nothing else, and that must not fail because something else is wrong. It reads
// the file only if it needs to, and fails only if the file is wrong and does not have the setting.
func (s *Settings) Text(name string, environ []string) (string, error) {
	env, _ := s.fromEnviron(environ)
	above := slices.Concat(env, s.fromFlags())
	if text, ok := last(above, name); ok {
		return text, nil
	}
	file, errs := s.fromFile(above)
	if text, ok := last(file, name); ok {
		return text, nil
	}
	return "", errors.Join(errs...)
}

func last(values []given, name string) (text string, ok bool) {
	for _, g := range values {
		if g.setting.name == name {
			text, ok = g.text, true
		}
	}
	return text, ok
}

func (s *Settings) fromDefaults() (values []given) {
	for i := range s.table {
		if row := &s.table[i]; row.initial != "" {
			values = append(values, given{row, row.initial, "default"})
		}
	}
	return values
}

func (s *Settings) fromFlags() (values []given) {
	for i, f := range s.flags {
		if f.Changed {
			values = append(values, given{&s.table[i], f.Value.String(), "flag --" + f.Name})
		}
	}
	return values
}

// loading is the state of one Load. It takes values from the lowest source to the highest.
type loading struct {
	config Config
	last   map[string]given // the value in force, by setting
	bad    map[string]bool  // settings of which some value was refused
	errs   []error
}

func (l *loading) take(g given) {
	name := g.setting.name
	if g.text == "" {
		l.refuse(g, "the value is empty", "")
		return
	}
	if err := g.setting.set(&l.config, g.text); err != nil {
		l.refuse(g, err.Error(), "")
		return
	}
	l.last[name] = g
}

// takePlatform takes the port that a hosting platform hands out, unless somebody chose an address. A
// platform's clients come from beyond this machine: where that is allowed, they are let in.
func (l *loading) takePlatform(port given) {
	if _, chosen := l.last["port"]; chosen || l.last["listen"].source != "default" || l.bad["listen"] || l.bad["port"] {
		return
	}
	if err := port.setting.set(&l.config, port.text); err != nil {
		l.refuse(port, err.Error(), "allowed: "+port.setting.allowed+"; it is ignored if port or listen is set")
		return
	}
	l.last["port"] = port
	if l.noTLS() == "" && l.noAuth() == "" {
		l.config.Listen = net.JoinHostPort("", port.text)
		l.last["listen"] = given{l.last["listen"].setting, l.config.Listen, port.source}
	}
}

// refuse notes what is wrong with a value. Without a remedy it gives the values allowed.
func (l *loading) refuse(g given, problem, remedy string) {
	if remedy == "" {
		remedy = "allowed: " + g.setting.allowed
	}
	l.bad[g.setting.name] = true
	l.errs = append(l.errs, &Error{Setting: g.setting.name, Source: g.source, Problem: problem, Remedy: remedy})
}

// checkDrain gives drain-timeout the default that depends on the delay, or checks it.
func (l *loading) checkDrain() {
	drain, ok := l.last["drain-timeout"]
	if !ok {
		l.config.DrainTimeout = l.config.Delay + drainMargin
		return
	}
	if l.config.DrainTimeout >= l.config.Delay || l.bad["delay"] || l.bad["drain-timeout"] {
		return
	}
	delay := l.last["delay"]
	l.refuse(drain,
		fmt.Sprintf("%s is shorter than delay, which is %q (%s)", quote(drain.text), delay.text, delay.source),
		fmt.Sprintf("a job accepted just before the stop could not be finished: "+
			"give at least %s, or leave it out for %s", delay.text, drain.setting.shown()))
}
