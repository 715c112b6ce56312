package recipes

import "testing"

const (
	listed  = "one of sha512, sha256, sha3-512"
	listed4 = listed + ", sha384"
)

var algorithmSteps = []step{
	{"internal/digest/digest.go", []edit{
		{"\tSHA3x512\n)", "\tSHA3x512\n\tSHA384\n)"},
		{"\tSHA3x512: {\"sha3-512\"", "\tSHA384: {\"sha384\", sha512.Size384, func(dst *[MaxSize]byte, secret []byte) {\n" +
			"\t\tsum := sha512.Sum384(secret)\n\t\tclear(dst[copy(dst[:], sum[:]):])\n\t}},\n\tSHA3x512: {\"sha3-512\""},
	}},
	{"internal/digest/digest_test.go", []edit{
		{"\t\"sha3-512\": {\n", "\t\"sha384\": {\n" +
			"\t\t\"abc\": \"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7\",\n" +
			"\t\t\"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu\": " +
			"\"09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039\",\n" +
			"\t\t\"\": \"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b\",\n" +
			"\t},\n\t\"sha3-512\": {\n"},
		{`[]string{"sha512", "sha256", "sha3-512"} {`, `[]string{"sha512", "sha256", "sha3-512", "sha384"} {`},
	}},
	{"api/openapi.yaml", []edit{{"enum: [sha512, sha256, sha3-512]", "enum: [sha512, sha256, sha3-512, sha384]"}}},
	{"client/contract.go", []edit{{"\nconst (\n", "\nconst (\n\tSha384 = gen.Sha384 // SHA-384\n"}}},
	{"internal/strict/fuzz_test.go", []edit{{listed, listed4}}},
	{"internal/strict/testdata/bodies.txt", []edit{{listed, listed4}}},
	{"internal/strict/testdata/batches.txt", []edit{{listed, listed4}}},
	{"internal/engine/enginetest/trial.go", []edit{{
		"\tcase digest.SHA3x512:", "\tcase digest.SHA384:\n\t\ts := sha512.Sum384(secret)\n\t\treturn s[:]\n\tcase digest.SHA3x512:",
	}}},
	{"cmd/hashctl/verdict.go", []edit{{
		"\tcase client.Sha3512:", "\tcase client.Sha384:\n\t\ts := sha512.Sum384(secret)\n\t\tsum = s[:]\n\tcase client.Sha3512:",
	}}},
	{"cmd/hashctl/submit.go", []edit{{"string(client.Sha3512)}", "string(client.Sha3512), string(client.Sha384)}"}}},
	{"cmd/hashctl/usage.go", []edit{{"sha512, sha256 or sha3-512", "sha512, sha256, sha3-512 or sha384"}}},
	{"docs/api.md", []edit{{"| `sha3-512` |", "| `sha384` | where a system asks for it |\n| `sha3-512` |"}}},
}

// Who adds an algorithm is told of each place that still lacks it.
func TestAddAnAlgorithm(t *testing.T) {
	t.Parallel()
	wantRecipe(t, "Add an algorithm", algorithmSteps)
	s := newScratch(t)
	digest := []string{"go", "test", "./internal/digest"}
	beyond := []string{"go", "test", "./client", "./internal/strict", "./internal/engine/enginetest", "./cmd/hashctl", "./test/guides",
		"-short", "-run", "Corpus|Fuzz|Contract|Algorithm|PageOfTheAPI"}

	s.do(t, algorithmSteps[0])
	s.wantMissing(t, digest, "the contract lacks sha384")
	s.do(t, algorithmSteps[2])
	s.wantMissing(t, digest, "sha384: 0 published answers")
	s.generate(t)
	s.wantMissing(t, beyond, "contract.go lacks Sha384", "FAIL: TestCorpus", "FAIL: TestBatchCorpus", "FAIL: FuzzDecodeHashRequest",
		"the suite does not compute sha384", "hashctl offers", "the help of submit lacks sha384", "the help of bulk lacks sha384",
		"bulk does not know the hash of sha384", "docs/api.md lacks sha384")

	s.do(t, algorithmSteps[1])
	s.do(t, algorithmSteps[3:]...)
	s.wantDone(t, digest...)
	s.wantDone(t, beyond...)
}
