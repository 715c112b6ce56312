package header

import "strings"

// Prefers reports whether an Accept-Encoding ranks the coding at least as high as no coding (RFC 9110,
// section 12.5.3): codings are whole names in any case, q=0 refuses one, and * stands for those that are
// not named.
func Prefers(acceptEncoding, coding string) bool {
	wanted, plain, others := -1, -1, -1 // in thousandths; -1 for one that is not named
	for element := range split(acceptEncoding, ',') {
		name, weight := weighted(element)
		switch {
		case name == "*":
			others = max(others, weight)
		case strings.EqualFold(name, coding), strings.EqualFold(name, "x-"+coding): // section 8.4.1.3
			wanted = max(wanted, weight)
		case strings.EqualFold(name, "identity"):
			plain = max(plain, weight)
		}
	}
	if wanted < 0 {
		wanted = others
	}
	return wanted > 0 && wanted >= plain
}

// weighted splits an element into its name and its weight in thousandths (RFC 9110, section 12.4.2). A
// malformed weight counts as 0.
func weighted(element string) (name string, weight int) {
	end := indexOutside(element, ';')
	name, weight = trim(element[:end]), 1000
	for parameter := range split(element[min(end+1, len(element)):], ';') {
		if key, value, ok := pair(parameter); ok && strings.EqualFold(key, "q") {
			return name, thousandths(value)
		}
	}
	return name, weight
}

// thousandths reads a weight, which is 0 or 1 with up to three digits after the point.
func thousandths(text string) int {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole != "0" && whole != "1" || len(fraction) > 3 {
		return 0
	}
	n := int(whole[0] - '0')
	for i := range 3 {
		digit := byte('0')
		if i < len(fraction) {
			digit = fraction[i]
		}
		if digit < '0' || digit > '9' {
			return 0
		}
		n = 10*n + int(digit-'0')
	}
	if n > 1000 {
		return 0
	}
	return n
}
