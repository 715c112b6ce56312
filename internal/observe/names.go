package observe

import "github.com/prometheus/client_golang/prometheus"

// The names of the metrics.
const (
	buildInfo         = "hashd_build_info"
	jobsAccepted      = "hashd_jobs_accepted_total"
	jobsCompleted     = "hashd_jobs_completed_total"
	jobsCanceled      = "hashd_jobs_canceled_total"
	jobsRejected      = "hashd_jobs_rejected_total"
	jobsPending       = "hashd_jobs_pending"
	oldestAge         = "hashd_jobs_oldest_pending_age_seconds"
	delay             = "hashd_delay_seconds"
	resultsKept       = "hashd_results_kept"
	lateness          = "hashd_job_lateness_seconds"
	hashDuration      = "hashd_hash_duration_seconds"
	submission        = "hashd_submission_duration_seconds"
	limitMax          = "hashd_limit_max"
	limitUsed         = "hashd_limit_used"
	connections       = "hashd_connections"
	engineInfo        = "hashd_engine_info"
	storeBytes        = "hashd_store_bytes"
	groupDuration     = "hashd_store_group_duration_seconds"
	fsyncs            = "hashd_store_fsyncs_total"
	natsRoundTrip     = "hashd_nats_round_trip_seconds"
	natsClockOffset   = "hashd_nats_clock_offset_seconds"
	engineState       = "hashd_engine_state"
	ready             = "hashd_ready"
	requests          = "hashd_http_requests_total"
	requestDuration   = "hashd_http_request_duration_seconds"
	problems          = "hashd_http_problems_total"
	fileInUse         = "hashd_file_in_use"
	certificateExpiry = "hashd_tls_certificate_expiry_timestamp_seconds"
)

// metric is what is known of one before it is read.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType // of those that have one value
}

// described returns the metrics of the collector by their names. Jobs have no label for their lane: there is one lane.
func described() map[string]metric {
	list := make(map[string]metric)
	add := func(kind prometheus.ValueType, name, help string, labels ...string) {
		list[name] = metric{prometheus.NewDesc(name, help, labels, nil), kind}
	}
	const counter, gauge, other = prometheus.CounterValue, prometheus.GaugeValue, prometheus.UntypedValue
	add(counter, jobsAccepted, "Jobs given an id since the start.")
	add(counter, jobsCompleted, "Jobs hashed since the start.")
	add(counter, jobsCanceled, "Jobs canceled before they were hashed.")
	add(counter, jobsRejected, "Jobs refused because the engine was full or draining.")
	add(gauge, jobsPending, "Jobs accepted and neither done nor canceled.")
	add(gauge, oldestAge, "How long ago the oldest pending job was accepted; 0 if none is pending.")
	add(gauge, delay, "How long after their acceptance jobs are due.")
	add(gauge, resultsKept, "Results that can be fetched.")
	add(other, lateness, "How long after they were due jobs became visible as done.")
	add(other, hashDuration, "How long it took to compute single hashes, by algorithm.", "algorithm")
	add(other, submission, "How long it took to answer single submissions that were accepted, without the wait that a client asked for.")
	add(gauge, limitMax, "The limits for which requests are refused, in the unit of each.", "limit")
	add(gauge, limitUsed, "How much of each limit is used, in the unit of the limit.", "limit")
	add(gauge, connections, "Connections that are open.")
	add(gauge, engineInfo, "The engine that keeps the jobs, in the label; always 1.", "engine")
	add(gauge, storeBytes, "The size of the store's file.")
	add(other, groupDuration, "How long it took to make each group of requests durable.")
	add(counter, fsyncs, "How many times the disk was asked to have what was written to the store's file.")
	add(other, natsRoundTrip, "How long the NATS servers took to answer the requests that measure their clock.")
	add(gauge, natsClockOffset, "How far the clock of the stream's leader is before that of this machine.")
	add(gauge, engineState, "1 for the state that the engine is in, 0 for the others.", "state")
	add(gauge, ready, "1 if new jobs are taken as far as is known, as /readyz has it.")
	add(counter, requests, "Requests answered, by operation of the contract and status.", "operation", "code")
	add(other, requestDuration, "How long it took to answer requests, by operation, but for those that waited because their client asked for it.", "operation")
	add(counter, problems, "Requests answered with a problem, by its type, and by the limit that is reached where the type is full.", "type", "limit")
	add(gauge, fileInUse, "1 if what is in the file of that setting is in use, 0 if it could not be used and what was in it before still is.", "setting")
	add(gauge, certificateExpiry, "When the TLS certificate in use expires, in seconds since 1970.")
	return list
}
