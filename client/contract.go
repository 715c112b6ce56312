package client

import gen "github.com/hashd-project/hashd/gen/client"

// What requests and answers hold, as the contract has it.
type (
	AcceptedBatch     = gen.AcceptedBatch
	Algorithm         = gen.Algorithm
	BatchRequest      = gen.BatchRequest
	Due               = gen.Due
	FieldError        = gen.FieldError
	GetHashParams     = gen.GetHashParams
	Hash              = gen.Hash
	HashRequest       = gen.HashRequest
	Health            = gen.Health
	HealthStatus      = gen.HealthStatus
	Job               = gen.Job
	JobID             = gen.JobID
	JobStatus         = gen.JobStatus
	Lateness          = gen.Lateness
	Problem           = gen.Problem
	ServerStatus      = gen.ServerStatus
	Stats             = gen.Stats
	Status            = gen.Status
	SubmitBatchParams = gen.SubmitBatchParams
	SubmitHashParams  = gen.SubmitHashParams
)

// The values that the contract names.
const (
	Done    = gen.Done
	Pending = gen.Pending

	HealthStatusOk       = gen.HealthStatusOk
	ServerStatusDraining = gen.ServerStatusDraining
	ServerStatusOk       = gen.ServerStatusOk

	Sha256  = gen.Sha256
	Sha3512 = gen.Sha3512
	Sha512  = gen.Sha512
)
