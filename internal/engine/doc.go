// Package engine owns the life of a job, from acceptance to its end: it says what any store of jobs
// promises, in the Engine interface and in the conformance suite of package enginetest, which each
// implementation passes. It knows nothing of HTTP.
//
// One word means one thing, in the engines, the API, the log and the metrics:
//
//   - job: a secret, from its acceptance until it is gone; pending, then done, then gone.
//   - secret: what is submitted; delay: the time from acceptance until the job is due.
//   - digest: what an algorithm makes of a secret; hash: the digest as clients get it, in base64.
//   - lateness: the time from due until the digest is visible; drain: finishing all jobs before a stop.
//   - batch: jobs submitted together; nothing else is a batch.
//   - group: requests that are made durable together; commit, abort: what then becomes of their jobs.
//   - claim: due jobs that one worker took; lease: an instance's right to hash a job, for a while.
//   - tombstone: a record that says that a job is gone.
//   - idempotency key: makes a retry harmless; fingerprint: an HMAC of the request that it came with.
//   - ring: the keys that seal a store; tenant: whose jobs they are.
package engine
