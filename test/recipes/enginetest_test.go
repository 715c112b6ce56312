package recipes

import "testing"

var enginetestSteps = []step{
	{"internal/engine/engine.go", []edit{{
		"\t// Cancel ends a pending job,", "\t// An id that was canceled stays gone.\n\n\t// Cancel ends a pending job,",
	}}},
	{"internal/engine/enginetest/enginetest.go", []edit{{
		"\t\t{\"UnknownIDs\", unknownIDs},", "\t\t{\"CanceledStaysGone\", canceledStaysGone},\n\t\t{\"UnknownIDs\", unknownIDs},",
	}}},
	{"internal/engine/enginetest/accept.go", []edit{{"\nfunc idsCountUpFromTheFirst(", `
func canceledStaysGone(x *trial) {
	e := x.engine(engine.Limits{Delay: unreached})
	id := e.accept("secret").ID
	x.wantErr("the first cancel", e.Cancel(x.Context(), id), nil)
	x.wantErr("the second cancel", e.Cancel(x.Context(), id), engine.ErrGone)
}

func idsCountUpFromTheFirst(`}}},
}

// A test that is added to the suite is run by an engine, and an engine that breaks the promise is told.
func TestAddATestOfEngines(t *testing.T) {
	t.Parallel()
	wantRecipe(t, "Add a test of engines", enginetestSteps)
	s := newScratch(t)
	suite := []string{"go", "test", "./internal/engine/memory", "-run", "TestConformance/.*/CanceledStaysGone", "-v"}
	s.do(t, enginetestSteps[:2]...)
	s.wantMissing(t, suite, "undefined: canceledStaysGone")
	s.do(t, enginetestSteps[2:]...)
	s.wantDone(t, suite...)
	s.edit(t, "internal/engine/enginetest/accept.go", edit{`"the second cancel", e.Cancel(x.Context(), id), engine.ErrGone`,
		`"the second cancel", e.Cancel(x.Context(), id), nil`})
	s.wantMissing(t, suite, "FAIL: TestConformance/RealClock/CanceledStaysGone", "FAIL: TestConformance/FakeClock/CanceledStaysGone")
}
