package file

import "time"

// moment is an instant as the store keeps it, by two clocks. Within one boot of the machine, and one
// time namespace, the clock that counts since boot is exact, whatever is done to the wall clock;
// otherwise there is only the wall clock.
type moment struct {
	wall time.Duration // since 1970
	boot time.Duration // since the boot
	tag  uint64        // which boot and namespace; 0 if there is no such clock
}

func now() moment {
	boot, tag := sinceBoot()
	return moment{time.Duration(time.Now().UnixNano()), boot, tag}
}

// elapsed returns how long before now the moment was. If the wall clock was set back meanwhile
// that is 0: a job then waits too long rather than too short.
func (m moment) elapsed(now moment) time.Duration {
	if m.tag != 0 && m.tag == now.tag {
		return max(0, now.boot-m.boot)
	}
	return max(0, now.wall-m.wall)
}
