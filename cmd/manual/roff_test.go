package main

import (
	"reflect"
	"testing"
	"time"
)

const help = `tool does things.

Usage:
  tool [flags]   do it
  tool key FILE  do it with a key that is
                 in the file

Each setting
is a flag.

Storage:
  --data-dir path  Where things are.
                   [default ".", or 'here']

Exit codes: 0 done; 1 not
done.
`

const keyHelp = `A key opens.

Usage:
  tool key FILE [--one]
                [--two]

.hidden files too:

  --slash  \

Storage:
  --data-dir path  Where things are.
                   [default ".", or 'here']
`

const want = `.\" Made by cmd/manual from the help of tool.
.TH TOOL 1 2026-11-26 "hashd v2.0.0\-rc.1" "hashd"
.nh
.SH NAME
tool \- does things
.SH SYNOPSIS
.B tool
[\fIcommand\fR] [\fIflags\fR]
.SH DESCRIPTION
tool does things.
.SH COMMANDS
.TP
.B tool [flags]
do it
.TP
.B tool key FILE
do it with a key that is in the file
.PP
Each setting is a flag.
.SH STORAGE
.TP
.B \-\-data\-dir path
Where things are. [default \(dq.\(dq, or \(aqhere\(aq]
.SH EXIT CODES
0 done; 1 not done.
.SH TOOL KEY
A key opens.
.SS Usage
.nf
tool key FILE [\-\-one] [\-\-two]
.fi
.SS \&.hidden files too
.TP
.B \-\-slash
\e
.SH SEE ALSO
.BR hashd (1),
.BR hashctl (1),
https://github.com/hashd-project/hashd
`

func TestPageFromHelp(t *testing.T) {
	p := page{
		name: "tool", version: "v2.0.0-rc.1", made: time.Date(2026, 11, 26, 23, 0, 0, 0, time.UTC),
		help: parse(help), commands: []command{{"key", parse(keyHelp)}, {"same", parse(help)}},
	}
	if got := p.roff(); got != want {
		t.Errorf("the page is\n%s", got)
	}
}

// What a help text says is all there, however it is laid out.
func TestParseLosesNothing(t *testing.T) {
	got := parse("A\nb\n\nC:\n  -d  e\n      f\n  -g\n      h\n\n      i\nj\n")
	want := []section{
		{blocks: []block{{paragraph: "A b"}}},
		{heading: "C", blocks: []block{{items: []item{{"-d", "e f"}, {"-g h i", ""}}}, {paragraph: "j"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
