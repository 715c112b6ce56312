# Prints, from a Go cover profile, the share of statements run in each package.
NR > 1 {
	split($1, at, ":")
	sub(/\/[^\/]*$/, "", at[1])
	block = $1
	if (!(block in statements)) { statements[block] = $2; package[block] = at[1] }
	if ($3 > 0) covered[block] = 1
}
END {
	for (b in statements) {
		all[package[b]] += statements[b]; sum += statements[b]
		if (b in covered) { run[package[b]] += statements[b]; ran += statements[b] }
	}
	for (p in all) printf "coverage: %5.1f %%  %s\n", 100 * run[p] / all[p], p | "sort -k4"
	close("sort -k4")
	printf "coverage: %5.1f %%  of internal/ in all\n", 100 * ran / sum
}
