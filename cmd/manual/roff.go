package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// page is all that a man page is made of.
type page struct {
	name, version string
	made          time.Time
	help          []section
	commands      []command
}

// command is the help of one command.
type command struct {
	name string
	help []section
}

// roff returns the page in the macros of man(7).
func (p page) roff() string {
	var b strings.Builder
	b.WriteString(".\\\" Made by cmd/manual from the help of " + p.name + ".\n")
	fmt.Fprintf(&b, ".TH %s 1 %s \"hashd %s\" \"hashd\"\n", strings.ToUpper(p.name), p.made.Format(time.DateOnly), escape(p.version))
	b.WriteString(".nh\n") // a flag that is cut at the end of a line could not be copied
	first := p.help[0].blocks[0].paragraph
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", p.name, escape(strings.TrimSuffix(strings.TrimPrefix(first, p.name+" "), ".")))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n[\\fIcommand\\fR] [\\fIflags\\fR]\n", p.name)
	for _, s := range p.help {
		switch s.heading {
		case "":
			s.heading = "DESCRIPTION"
		case "Usage":
			s.heading = "COMMANDS"
		}
		s.roff(&b, ".SH")
	}
	for _, c := range p.commands {
		own := slices.DeleteFunc(slices.Clone(c.help), func(s section) bool {
			return slices.ContainsFunc(p.help, func(o section) bool { return reflect.DeepEqual(o, s) })
		})
		if len(own) == 0 { // as where a command has the settings of all
			continue
		}
		fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(p.name+" "+c.name))
		for _, s := range own {
			s.roff(&b, ".SS")
		}
	}
	b.WriteString(".SH SEE ALSO\n")
	for _, name := range []string{"hashd", "hashctl"} {
		if name != p.name {
			b.WriteString(".BR " + name + " (1),\n")
		}
	}
	b.WriteString("https://github.com/hashd-project/hashd\n")
	return b.String()
}

func (s section) roff(b *strings.Builder, macro string) {
	if s.heading != "" {
		heading := s.heading
		if macro == ".SH" {
			heading = strings.ToUpper(heading)
		}
		fmt.Fprintf(b, "%s %s\n", macro, escape(heading))
	}
	for i, block := range s.blocks {
		switch {
		case block.items == nil:
			if i > 0 {
				b.WriteString(".PP\n")
			}
			b.WriteString(escape(block.paragraph) + "\n")
		case slices.ContainsFunc(block.items, func(i item) bool { return i.text != "" }):
			for _, i := range block.items {
				fmt.Fprintf(b, ".TP\n.B %s\n%s\n", escape(i.term), escape(i.text))
			}
		default:
			b.WriteString(".nf\n")
			for _, i := range block.items {
				b.WriteString(escape(i.term) + "\n")
			}
			b.WriteString(".fi\n")
		}
	}
}

// escape has text printed as it is.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
