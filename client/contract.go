package client

import gen "github.com/hashd-project/hashd/v2/gen/client"

// What requests and answers hold, as the contract has it.
type (
	// AcceptedBatch answers a batch: its jobs have consecutive ids from First.
	AcceptedBatch = gen.AcceptedBatch
	// After is the id above which ListHashes looks.
	After = gen.After
	// Algorithm names a hash function.
	Algorithm = gen.Algorithm
	// BatchRequest submits 1 to 10,000 secrets, of which the server takes all or none.
	BatchRequest = gen.BatchRequest
	// CancelBatchParams name the range of CancelBatch.
	CancelBatchParams = gen.CancelBatchParams
	// Completions are jobs that are done, and where to go on.
	Completions = gen.Completions
	// Count is how many ids a range has, 1 to 10,000.
	Count = gen.Count
	// Due is when a job is hashed.
	Due = gen.Due
	// Ended counts what has become of a range of ids.
	Ended = gen.Ended
	// FieldError says what is wrong with one part of a request.
	FieldError = gen.FieldError
	// First is the lowest id of a range.
	First = gen.First
	// GetBatchParams name the range of GetBatch, and hold its header fields.
	GetBatchParams = gen.GetBatchParams
	// GetHashParams are the optional header fields of GetHash.
	GetHashParams = gen.GetHashParams
	// Hash is a digest in standard base64.
	Hash = gen.Hash
	// HashRequest submits one secret.
	HashRequest = gen.HashRequest
	// Health answers whether the server is alive, or ready.
	Health = gen.Health
	// HealthStatus is the state in a Health.
	HealthStatus = gen.HealthStatus
	// Job is a job, with Due while it is pending and Hash once it is done.
	Job = gen.Job
	// JobID identifies a job in its store; it is positive.
	JobID = gen.JobID
	// JobStatus says whether the hash is there.
	JobStatus = gen.JobStatus
	// Lateness says how long after they were due hashes became visible, in microseconds.
	Lateness = gen.Lateness
	// Limit is how many hashes ListHashes answers with at most, 1 to 10,000.
	Limit = gen.Limit
	// Limits are what a client has to know of the server's settings.
	Limits = gen.Limits
	// ListHashesParams are the parameters of ListHashes.
	ListHashesParams = gen.ListHashesParams
	// Problem is a problem document (RFC 9457); methods return it as a *ProblemError.
	Problem = gen.Problem
	// Recent is the last minute of Stats.
	Recent = gen.Recent
	// Result says what has become of a job of a range.
	Result = gen.Result
	// ResultStatus says what that is.
	ResultStatus = gen.ResultStatus
	// Results are what has become of the jobs of a range.
	Results = gen.Results
	// ServerStatus says whether the server takes new jobs.
	ServerStatus = gen.ServerStatus
	// Stats are counters since the start of the server.
	Stats = gen.Stats
	// Status says what runs, since when, and how it is.
	Status = gen.Status
	// SubmitBatchParams are the optional header fields of SubmitBatch.
	SubmitBatchParams = gen.SubmitBatchParams
	// SubmitHashParams are the optional header fields of SubmitHash.
	SubmitHashParams = gen.SubmitHashParams
	// Use is how much of a limit is used.
	Use = gen.Use
)

// The values that the contract names.
const (
	JobStatusDone        = gen.JobStatusDone        // the hash is there
	JobStatusPending     = gen.JobStatusPending     // the hash is not there yet
	ResultStatusDone     = gen.ResultStatusDone     // the hash is there
	ResultStatusGone     = gen.ResultStatusGone     // canceled, erased or past its retention
	ResultStatusPending  = gen.ResultStatusPending  // the hash is not there yet
	ResultStatusUnknown  = gen.ResultStatusUnknown  // never given to a job of this store
	HealthStatusOk       = gen.HealthStatusOk       // all is well
	ServerStatusDraining = gen.ServerStatusDraining // a stop was asked for: new jobs are refused
	ServerStatusOk       = gen.ServerStatusOk       // new jobs are accepted
	Sha256               = gen.Sha256               // SHA-256
	Sha3512              = gen.Sha3512              // SHA3-512
	Sha512               = gen.Sha512               // SHA-512, the default
)
