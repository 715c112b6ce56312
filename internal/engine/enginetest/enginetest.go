// Package enginetest is the conformance suite that every implementation of engine.Engine
// passes: it owns what the interface's comments promise, in the form of tests. It must not
// know of any implementation.
//
// A test stands either on the real clock, where it waits for events and never measures time,
// or in a testing/synctest bubble, where a nanosecond more or less makes a difference. An
// engine that does real I/O cannot live in a bubble and runs the first kind alone.
package enginetest

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// Suite says how an engine is made and what it can do.
type Suite struct {
	// New makes an engine that has no jobs, within these limits, or fails the test. MaxSecretBytes and
	// Workers are its own to choose where they are 0. It may use t.TempDir and
	// t.Cleanup; the suite itself closes the engine before the clean-up runs.
	New func(t *testing.T, cfg engine.Limits) engine.Engine

	// FakeClock is set for an engine that may run in a synctest bubble: all it blocks on is
	// channels, timers and the like.
	FakeClock bool

	// Durable is set for an engine whose Accept waits for a disk or a network: tests that submit
	// one job after the other are content with fewer.
	Durable bool

	// Gaps is set for an engine that cannot avoid unused ids between two jobs.
	Gaps bool

	// Outlives is set for an engine whose results outlive the process.
	Outlives bool

	// Shared is set for an engine whose store several processes share: each counts what it has accepted since its start.
	Shared bool

	// Reopen closes an engine that New made, and returns another on its store, with the same limits, which the
	// suite closes; nil if nothing outlives the process.
	Reopen func(t *testing.T, e engine.Engine) engine.Engine
}

// Run runs the whole suite as subtests of t.
func (s Suite) Run(t *testing.T) {
	t.Run("RealClock", func(t *testing.T) {
		s.onRealClock(t, slices.Concat(tests(), batchTests(), rangeTests(), tenantTests()))
	})
	if s.FakeClock {
		t.Run("FakeClock", func(t *testing.T) {
			s.onFakeClock(t, tests())
			s.onFakeClock(t, batchTests())
			s.onFakeClock(t, rangeTests())
			s.onFakeClock(t, tenantTests())
			s.onFakeClock(t, timeTests())
			t.Run("Model", func(t *testing.T) { s.checkModel(t) })
		})
	}
}

// test is one test of the suite.
type test struct {
	name string
	run  func(x *trial)
}

// tests returns those that need no fake clock, and run on both; those on batches stand apart.
func tests() []test {
	return []test{
		{"IDsCountUpFromTheFirst", idsCountUpFromTheFirst},
		{"StoresShareNoIDs", storesShareNoIDs},
		{"IDsAreUnique", idsAreUnique},
		{"KnownAnswer", knownAnswer},
		{"AlgorithmAndTenantAreKept", algorithmAndTenantAreKept},
		{"PendingJobShowsWhatItIs", pendingJobShowsWhatItIs},
		{"SecretsOfAllLengths", secretsOfAllLengths},
		{"SecretsOfAnyBytes", secretsOfAnyBytes},
		{"SecretIsCopied", secretIsCopied},
		{"InvalidJobsDrawNoID", invalidJobsDrawNoID},
		{"DueIsOneDelayAfterAcceptance", dueIsOneDelayAfterAcceptance},
		{"NeverEarly", neverEarly},

		{"KeyOfACanceledJob", keyOfACanceledJob},
		{"KeysAreApart", keysAreApart},
		{"ClientsMistakesAreNotRejected", clientsMistakesAreNotRejected},
		{"UnknownIDs", unknownIDs},
		{"OneResultPerID", oneResultPerID},
		{"ResultExpiresAndMakesRoom", resultExpiresAndMakesRoom},

		{"CancelPending", cancelPending},
		{"CancelAllPending", cancelAllPending},
		{"CancelDoneErasesTheResult", cancelDoneErasesTheResult},
		{"JobsAfterCanceledOnes", jobsAfterCanceledOnes},

		{"WaitReturnsWhenDone", waitReturnsWhenDone},
		{"WaitForADoneJobReturnsAtOnce", waitForADoneJobReturnsAtOnce},
		{"WaitEndsWithItsContext", waitEndsWithItsContext},
		{"ManyWaitForOneJob", manyWaitForOneJob},
		{"WaitAfterAbandonedWaits", waitAfterAbandonedWaits},
		{"WaitAgainAfterTheLastGaveUp", waitAgainAfterTheLastGaveUp},
		{"CancelEndsWaits", cancelEndsWaits},
		{"CloseEndsWaits", closeEndsWaits},

		{"DrainEmpty", drainEmpty},
		{"DrainFinishesAll", drainFinishesAll},
		{"DrainRefusesAndReadsGoOn", drainRefusesAndReadsGoOn},
		{"DrainTellsWhatIsLeft", drainTellsWhatIsLeft},
		{"DrainAgain", drainAgain},
		{"CancelEndsDrain", cancelEndsDrain},
		{"CloseEndsDrain", closeEndsDrain},
		{"UncollectedAreCounted", uncollectedAreCounted},
		{"UncollectedExpire", uncollectedExpire},
		{"CloseIsIdempotent", closeIsIdempotent},
		{"ClosedEngineRefuses", closedEngineRefuses},
		{"CloseAmongSubmitters", closeAmongSubmitters},

		{"MaxPending", maxPending},
		{"MaxPendingEases", maxPendingEases},
		{"MaxResults", maxResults},
		{"LimitIsExactAmongSubmitters", limitIsExactAmongSubmitters},

		{"RetryAddsNothing", retryAddsNothing},
		{"ReusedKeyIsRefused", reusedKeyIsRefused},
		{"RefusedJobLeavesItsKeyFree", refusedJobLeavesItsKeyFree},
		{"KeysAreBounded", keysAreBounded},
		{"RetryWhileDraining", retryWhileDraining},
		{"OneKeyAmongSubmitters", oneKeyAmongSubmitters},

		{"StatsOfNothing", statsOfNothing},
		{"StatsFollowEachJob", statsFollowEachJob},
		{"StatsAreConsistent", statsAreConsistent},
		{"LatenessIsOrdered", latenessIsOrdered},
		{"TimesAreCounted", func(x *trial) { latenessesAreCounted(x); hashTimes(x) }},
		{"NextDue", nextDue},
		{"Load", func(x *trial) { x.load(Load{Submitters: 4, Jobs: 300, Expiry: x.fake}) }},
	}
}

// batchTests returns those on batches, of the same kind.
func batchTests() []test {
	return []test{
		{"BatchIDsAreConsecutive", batchIDsAreConsecutive},
		{"BatchesAmongSubmitters", batchesAmongSubmitters},
		{"HashesAreTraced", hashesAreTraced},
		{"InvalidBatchesDrawNoID", invalidBatchesDrawNoID},
		{"BatchOfAllLengthsAndBytes", batchOfAllLengthsAndBytes},
		{"BatchIsCopied", batchIsCopied},
		{"EndedContextCancelsNoAccept", endedContextCancelsNoAccept},
		{"BatchIsAlike", batchIsAlike},
		{"BatchIsNeverEarly", batchIsNeverEarly},
		{"CancelInABatch", cancelInABatch},
		{"DrainFinishesBatches", drainFinishesBatches},
		{"CloseAmongBatches", closeAmongBatches},
		{"MaxPendingOfBatches", maxPendingOfBatches},
		{"MaxResultsOfBatches", maxResultsOfBatches},
		{"DrainingRefusesBatches", drainingRefusesBatches},
		{"BatchRetryAddsNothing", batchRetryAddsNothing},
		{"BatchKeyReusedIsRefused", batchKeyReusedIsRefused},
		{"RefusedBatchLeavesItsKeyFree", refusedBatchLeavesItsKeyFree},
		{"KeysOfBatchesAreBounded", keysOfBatchesAreBounded},
		{"OneBatchKeyAmongSubmitters", oneBatchKeyAmongSubmitters},
		{"TwinsGetOneAnswer", twinsGetOneAnswer},
		{"RivalsForAKey", rivalsForAKey},
		{"LimitIsExactAmongBatches", limitIsExactAmongBatches},
	}
}

// rangeTests returns those on many ids at once, of the same kind.
func rangeTests() []test {
	return []test{
		{"RangeShowsEachJob", rangeShowsEachJob},
		{"RangeShowsPendingAndGone", rangeShowsPendingAndGone},
		{"CancelRange", cancelRange},
		{"CancelRangeOfPending", cancelRangeOfPending},
		{"CancelRangeAtOnce", cancelRangeAtOnce},
		{"InvalidRanges", invalidRanges},
		{"RangesFarAway", rangesFarAway},
		{"CursorShowsWhatIsDone", cursorShowsWhatIsDone},
		{"CursorStopsAtPending", cursorStopsAtPending},
		{"CursorMissesNothing", cursorMissesNothing},
		{"AwaitCompletedEnds", awaitCompletedEnds},
		{"AwaitRange", awaitRange},
		{"AwaitRangeOfCanceled", awaitRangeOfCanceled},
		{"RangesWhileDraining", rangesWhileDraining},
		{"ClosedEngineRefusesRanges", closedEngineRefusesRanges},
		{"RangesAmongSubmitters", rangesAmongSubmitters},
		{"LongestRangeInOneCall", longestRangeInOneCall},
		{"AwaitRangeWaitsForFew", awaitRangeWaitsForFew},
	}
}

// tenantTests returns those on several tenants, of the same kind.
func tenantTests() []test {
	return []test{
		{"TenantSeesItsOwnPendingAndCanceled", tenantSeesItsOwnPendingAndCanceled},
		{"TenantSeesItsOwnDoneAndErased", tenantSeesItsOwnDoneAndErased},
		{"TenantSeesItsOwnExpired", tenantSeesItsOwnExpired},
		{"TenantSeesItsOwnOfManyGone", tenantSeesItsOwnOfManyGone},
		{"TenantSeesItsOwnAfterReopening", tenantSeesItsOwnAfterReopening},
		{"ForeignWaitEndsAtOnce", foreignWaitEndsAtOnce},
		{"CancelRangeOfATenant", cancelRangeOfATenant},
		{"CursorOfATenant", cursorOfATenant},
		{"CursorOfATenantPassesMany", cursorOfATenantPassesMany},
		{"CursorsOfTenantsMissNothing", cursorsOfTenantsMissNothing},
		{"AwaitCompletedOfATenant", awaitCompletedOfATenant},
		{"KeysOfTenantsAreApart", keysOfTenantsAreApart},
		{"TenantNumbers", tenantNumbers},
		{"TenantNumbersAtOnce", tenantNumbersAtOnce},
		{"TenantNumbersAfterReopening", tenantNumbersAfterReopening},
		{"StatsOfTenantsAddUp", statsOfTenantsAddUp},
		{"StatsOfTenantsAfterReopening", statsOfTenantsAfterReopening},
		{"StatsOfATenantAreExact", statsOfATenantAreExact},
	}
}

// timeTests returns those that ask where a job is at an exact instant.
func timeTests() []test {
	return []test{
		{"DoneExactlyWhenDue", doneExactlyWhenDue},
		{"EachJobAtItsOwnInstant", eachJobAtItsOwnInstant},
		{"CanceledIsNeverHashed", canceledIsNeverHashed},
		{"KeptForTheRetention", keptForTheRetention},
		{"RetentionOfJobsInARow", retentionOfJobsInARow},
		{"WaitsEndWhenDue", waitsEndWhenDue},
		{"DrainEndsWithTheLastJob", drainEndsWithTheLastJob},
		{"RetryAfterIsTrue", retryAfterIsTrue},
		{"MaxKeysEases", maxKeysEases},
		{"KeysUsedAnew", keysUsedAnew},
		{"KeyIsForgottenAfterItsWindow", keyIsForgottenAfterItsWindow},
		{"LongIdleTime", longIdleTime},
		{"BatchDoneExactlyWhenDue", batchDoneExactlyWhenDue},
		{"BatchRetryAfterIsTrue", batchRetryAfterIsTrue},
		{"RangesOfExpired", rangesOfExpired},
	}
}

// onRealClock runs the tests side by side: none depends on speed.
func (s Suite) onRealClock(t *testing.T, tests []test) {
	for n, one := range tests {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			one.run(&trial{T: t, suite: s, first: s.first(n)})
		})
	}
}

func (s Suite) onFakeClock(t *testing.T, tests []test) {
	for n, one := range tests {
		t.Run(one.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { one.run(&trial{T: t, suite: s, fake: true, first: s.first(n + 1)}) })
		})
	}
}

// first returns the first id for the n-th test: small and large ones take turns, for nothing may
// depend on where ids begin.
func (s Suite) first(n int) int64 {
	firsts := []int64{1, engine.MaxFirstID, 2, engine.DrawFirstID()}
	return firsts[n%len(firsts)]
}
