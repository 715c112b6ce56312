package main

import "strings"

// section is a part of a help text, from one heading to the next.
type section struct {
	heading string // "" for what is before the first one
	blocks  []block
}

// block is a paragraph, or a list of items, or of lines as they are.
type block struct {
	paragraph string
	items     []item
}

// item is one of a list: a flag with its meaning, or a line of usage without one.
type item struct{ term, text string }

// codes is a heading that a paragraph may follow in the same line.
const codes = "Exit codes"

// parse reads a help text. Its form is that of all our texts: headings and paragraphs begin at the margin, an item two
// columns in, with two spaces at least before its text, and what is further in goes on with the line before.
func parse(help string) []section {
	sections := []section{{}}
	fresh := true // after an empty line
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\n")
		s := &sections[len(sections)-1]
		switch {
		case line == "":
			fresh = true
			continue
		case !strings.HasPrefix(line, " ") && strings.HasSuffix(line, ":") && fresh:
			sections = append(sections, section{heading: strings.TrimSuffix(line, ":")})
		case fresh && strings.HasPrefix(line, codes+": "):
			sections = append(sections, section{codes, []block{{paragraph: line[len(codes)+2:]}}})
		case !strings.HasPrefix(line, " "):
			s.paragraph(line, fresh)
		case strings.HasPrefix(line, "   "):
			s.goOn(strings.TrimSpace(line))
		default:
			term, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
			s.item(item{term, strings.TrimSpace(text)}, fresh)
		}
		fresh = false
	}
	return sections
}

// paragraph begins one, or goes on with the last.
func (s *section) paragraph(line string, fresh bool) {
	if last := len(s.blocks) - 1; !fresh && last >= 0 && s.blocks[last].items == nil {
		s.blocks[last].paragraph += " " + line
		return
	}
	s.blocks = append(s.blocks, block{paragraph: line})
}

// item adds one to the list, or begins a list.
func (s *section) item(i item, fresh bool) {
	if last := len(s.blocks) - 1; !fresh && last >= 0 && s.blocks[last].items != nil {
		s.blocks[last].items = append(s.blocks[last].items, i)
		return
	}
	s.blocks = append(s.blocks, block{items: []item{i}})
}

// goOn adds to the last item, or makes a line by itself one.
func (s *section) goOn(text string) {
	last := len(s.blocks) - 1
	if last < 0 || s.blocks[last].items == nil {
		s.item(item{text, ""}, true)
		return
	}
	i := &s.blocks[last].items[len(s.blocks[last].items)-1]
	if i.text == "" {
		i.term += " " + text
		return
	}
	i.text += " " + text
}
