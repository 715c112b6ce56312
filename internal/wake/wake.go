// Package wake lets one goroutine wake another that waits on a channel.
package wake

// Up wakes whoever waits on c, now or next. The channel needs room for one value: if one is there
// already, it adds none, and so never waits.
func Up(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
