// Code generated from api/openapi.yaml. DO NOT EDIT.

export type ClientOptions = {
    baseUrl: `${string}://${string}` | (string & {});
};

/**
 * Counts up by one in the order of acceptance. The first of a store is drawn when the store is
 * made, from 1 to 2^52, so that no two stores, and no two lives of a server that keeps its jobs
 * in memory, give out the same id. Exact in JavaScript.
 *
 */
export type JobId = number;

export type HashRequest = {
    /**
     * The secret, 1 to 1,024 Unicode characters, hashed as its UTF-8 bytes
     */
    password: string;
    algorithm?: Algorithm;
};

/**
 * The hash function (FIPS 180-4, FIPS 202)
 */
export type Algorithm = 'sha512' | 'sha256' | 'sha3-512';

export type BatchRequest = {
    /**
     * The secrets, 1 to 10,000
     */
    passwords: Array<string>;
    algorithm?: Algorithm;
};

export type AcceptedJob = {
    id: JobId;
    due: Due;
};

export type AcceptedBatch = {
    /**
     * Id of the first secret's job; the others follow one by one
     */
    first: number;
    /**
     * How many jobs there are, one for each secret
     */
    count: number;
    due: Due;
};

/**
 * When the hash is computed; it exists at this instant at the earliest
 */
export type Due = string;

export type PendingJob = {
    id: JobId;
    status: 'pending';
    due: Due;
};

export type HashResult = {
    id: JobId;
    /**
     * The digest in standard base64 with padding (RFC 4648, section 4)
     */
    hash: string;
};

export type Stats = {
    /**
     * Jobs accepted since start
     */
    total: number;
    /**
     * Mean wall-clock time, in microseconds, that the server took to answer the requests
     * whose jobs it accepted, a batch being one request; 0 before the first
     *
     */
    average: number;
    /**
     * Jobs accepted and neither done nor canceled
     */
    pending: number;
    /**
     * Jobs hashed since start
     */
    completed: number;
    /**
     * Jobs canceled before they were hashed
     */
    canceled: number;
    /**
     * Valid jobs refused because a limit was reached or the server was draining; a batch
     * counts as its jobs
     *
     */
    rejected: number;
    /**
     * Hashes that can be collected now
     */
    kept: number;
    lateness: Lateness;
};

/**
 * How long after they were due hashes became visible, in microseconds, over all jobs since
 * start. Percentiles are rounded up by at most an eighth.
 *
 */
export type Lateness = {
    p50: number;
    p90: number;
    p99: number;
    max: number;
};

export type Status = {
    /**
     * `draining`: a stop was asked for; accepted jobs are finished, new ones refused
     */
    status: 'ok' | 'draining';
    /**
     * Version of this contract
     */
    api: string;
    /**
     * Version of the build
     */
    version: string;
    /**
     * Source revision of the build, or `unknown`
     */
    commit: string;
    /**
     * Version of the Go toolchain
     */
    go: string;
    /**
     * When the process started
     */
    started: string;
    /**
     * Names what keeps the jobs. Where it is the same, so are the jobs: after a restart of a
     * durable server, and on each server of a cluster. A server that keeps its jobs in
     * memory has another with each start, and gives ids anew.
     *
     */
    store: string;
};

export type Health = {
    status: 'ok';
};

/**
 * RFC 9457 problem details
 */
export type Problem = {
    /**
     * Stable identifier of the kind of problem
     */
    type: string;
    /**
     * The kind of problem, in words
     */
    title: string;
    /**
     * The HTTP status
     */
    status: number;
    /**
     * What is wrong here and what to do about it
     */
    detail: string;
    /**
     * Identifies this occurrence by its request id, as in the server's log
     */
    instance: string;
    /**
     * What is wrong with the request, field by field
     */
    errors?: Array<FieldError>;
};

export type FieldError = {
    /**
     * JSON Pointer (RFC 6901) into the body, or `/path/…` and `/header/…` behind a `#` for
     * a parameter
     *
     */
    pointer: string;
    /**
     * What is wrong with it; never its value
     */
    detail: string;
};

/**
 * The job's id
 */
export type JobId2 = JobId;

/**
 * Makes a retry safe: within the server's idempotency window, a request with a key already
 * used answers as the first one did and adds no job. The same key with another body
 * answers `422`. A good key is a new random UUID, sent again only with a retry.
 *
 */
export type IdempotencyKey = string;

/**
 * RFC 7240. `wait=N` holds the answer for a pending job up to N seconds, or up to the
 * server's limit if that is shorter; `Preference-Applied` then says what was applied.
 * Other and malformed preferences are ignored.
 *
 */
export type Prefer = string;

export type SubmitHashData = {
    body: HashRequest;
    headers?: {
        /**
         * Makes a retry safe: within the server's idempotency window, a request with a key already
         * used answers as the first one did and adds no job. The same key with another body
         * answers `422`. A good key is a new random UUID, sent again only with a retry.
         *
         */
        'Idempotency-Key'?: string;
    };
    path?: never;
    query?: never;
    url: '/hash';
};

export type SubmitHashErrors = {
    /**
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The body is larger than the server takes
     */
    413: Problem;
    /**
     * The body is not announced as plain application/json
     */
    415: Problem;
    /**
     * The idempotency key was used before with another body
     */
    422: Problem;
    /**
     * The server failed; the request id finds the cause in its log
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
};

export type SubmitHashError = SubmitHashErrors[keyof SubmitHashErrors];

export type SubmitHashResponses = {
    /**
     * Accepted
     */
    202: AcceptedJob;
};

export type SubmitHashResponse = SubmitHashResponses[keyof SubmitHashResponses];

export type SubmitBatchData = {
    body: BatchRequest;
    headers?: {
        /**
         * Makes a retry safe: within the server's idempotency window, a request with a key already
         * used answers as the first one did and adds no job. The same key with another body
         * answers `422`. A good key is a new random UUID, sent again only with a retry.
         *
         */
        'Idempotency-Key'?: string;
    };
    path?: never;
    query?: never;
    url: '/hash/batch';
};

export type SubmitBatchErrors = {
    /**
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The body is larger than the server takes
     */
    413: Problem;
    /**
     * The body is not announced as plain application/json
     */
    415: Problem;
    /**
     * The idempotency key was used before with another body
     */
    422: Problem;
    /**
     * The server failed; the request id finds the cause in its log
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
};

export type SubmitBatchError = SubmitBatchErrors[keyof SubmitBatchErrors];

export type SubmitBatchResponses = {
    /**
     * Accepted, all of them
     */
    202: AcceptedBatch;
};

export type SubmitBatchResponse = SubmitBatchResponses[keyof SubmitBatchResponses];

export type CancelHashData = {
    body?: never;
    path: {
        /**
         * The job's id
         */
        id: JobId;
    };
    query?: never;
    url: '/hash/{id}';
};

export type CancelHashErrors = {
    /**
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * No job was ever given this id
     */
    404: Problem;
    /**
     * The job was canceled or erased, or its retention has ended
     */
    410: Problem;
    /**
     * The server failed; the request id finds the cause in its log
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
};

export type CancelHashError = CancelHashErrors[keyof CancelHashErrors];

export type CancelHashResponses = {
    /**
     * Canceled or erased
     */
    204: void;
};

export type CancelHashResponse = CancelHashResponses[keyof CancelHashResponses];

export type GetHashData = {
    body?: never;
    headers?: {
        /**
         * RFC 7240. `wait=N` holds the answer for a pending job up to N seconds, or up to the
         * server's limit if that is shorter; `Preference-Applied` then says what was applied.
         * Other and malformed preferences are ignored.
         *
         */
        Prefer?: string;
    };
    path: {
        /**
         * The job's id
         */
        id: JobId;
    };
    query?: never;
    url: '/hash/{id}';
};

export type GetHashErrors = {
    /**
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * No job was ever given this id
     */
    404: Problem;
    /**
     * The job was canceled or erased, or its retention has ended
     */
    410: Problem;
    /**
     * The server failed; the request id finds the cause in its log
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
};

export type GetHashError = GetHashErrors[keyof GetHashErrors];

export type GetHashResponses = {
    /**
     * Done
     */
    200: HashResult;
    /**
     * Not due yet
     */
    202: PendingJob;
};

export type GetHashResponse = GetHashResponses[keyof GetHashResponses];

export type GetStatsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/stats';
};

export type GetStatsErrors = {
    /**
     * The server failed; the request id finds the cause in its log
     */
    500: Problem;
};

export type GetStatsError = GetStatsErrors[keyof GetStatsErrors];

export type GetStatsResponses = {
    /**
     * The counters
     */
    200: Stats;
};

export type GetStatsResponse = GetStatsResponses[keyof GetStatsResponses];

export type GetStatusData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/v/status';
};

export type GetStatusErrors = {
    /**
     * The server failed; the request id finds the cause in its log
     */
    500: Problem;
};

export type GetStatusError = GetStatusErrors[keyof GetStatusErrors];

export type GetStatusResponses = {
    /**
     * What runs, since when, and how it is
     */
    200: Status;
};

export type GetStatusResponse = GetStatusResponses[keyof GetStatusResponses];

export type GetHealthData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/healthz';
};

export type GetHealthErrors = {
    /**
     * The server failed; the request id finds the cause in its log
     */
    500: Problem;
};

export type GetHealthError = GetHealthErrors[keyof GetHealthErrors];

export type GetHealthResponses = {
    /**
     * Alive, also while draining
     */
    200: Health;
};

export type GetHealthResponse = GetHealthResponses[keyof GetHealthResponses];

export type GetReadinessData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/readyz';
};

export type GetReadinessErrors = {
    /**
     * The server failed; the request id finds the cause in its log
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
};

export type GetReadinessError = GetReadinessErrors[keyof GetReadinessErrors];

export type GetReadinessResponses = {
    /**
     * Ready
     */
    200: Health;
};

export type GetReadinessResponse = GetReadinessResponses[keyof GetReadinessResponses];
