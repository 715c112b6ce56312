package service

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/hashd-project/hashd/internal/engine"
)

// key returns what the engine knows a client's idempotency key by. The print of the job is
// keyed with a random value of this process, so that it tells nothing of the secret.
func (s *Service) key(name string, job engine.Job) (k engine.Key) {
	id := sha256.Sum256([]byte(name))
	copy(k.ID[:], id[:])
	mac := hmac.New(sha256.New, s.printKey)
	mac.Write([]byte{byte(job.Algorithm)})
	mac.Write(job.Secret)
	copy(k.Print[:], mac.Sum(nil))
	return k
}
