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

/**
 * A job as it is now. A pending job has `due`, a done one `hash`.
 */
export type Job = {
    id: JobId;
    status: JobStatus;
    algorithm: Algorithm;
    due?: Due;
    hash?: Hash;
};

/**
 * Whether the hash is there
 */
export type JobStatus = 'pending' | 'done';

/**
 * The digest in standard base64 with padding (RFC 4648, section 4)
 */
export type Hash = string;

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

/**
 * Never print it: the types of some generators then show the secrets in the list
 */
export type BatchRequest = {
    /**
     * The secrets, 1 to 10,000
     */
    passwords: Array<string>;
    algorithm?: Algorithm;
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
    algorithm: Algorithm;
    due: Due;
};

/**
 * What has become of a job. A done one has `algorithm` and `hash`.
 */
export type Result = {
    id: JobId;
    status: ResultStatus;
    algorithm?: Algorithm;
    hash?: Hash;
};

/**
 * `gone`: canceled, erased or past its retention; `unknown`: never given to a job of this store
 */
export type ResultStatus = 'done' | 'pending' | 'gone' | 'unknown';

export type Results = {
    /**
     * One for each id, in their order
     */
    results: Array<Result>;
    /**
     * How many of them are pending
     */
    pending: number;
};

export type Completions = {
    /**
     * Jobs that are done, in the order of their ids
     */
    results: Array<Result>;
    /**
     * What to give as `after` to go on
     */
    next: number;
};

/**
 * What has become of a range of ids
 */
export type Ended = {
    /**
     * Jobs that were pending, and are never hashed
     */
    canceled: number;
    /**
     * Jobs whose hashes were there
     */
    erased: number;
    /**
     * Jobs that were gone before
     */
    gone: number;
    /**
     * Ids that were never given to a job of this store
     */
    unknown: number;
};

/**
 * When the hash is computed: at this instant or a little later, never before
 */
export type Due = string;

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
    recent: Recent;
    /**
     * Each setting for which the server refuses jobs or requests, by the name that its refusals have; on a
     * cluster as this instance counts. What does not fit into the rest of a limit is refused too, such as a batch
     *
     */
    limits: Array<Use>;
    /**
     * Present while every new job is refused because of a limit that finishing pending jobs does
     * not ease: `max-results`, until results are erased or past their retention, or `disk`,
     * until it has room
     *
     */
    full?: string;
    /**
     * When the process started that these are the counters of. Answers that differ in it are of two
     * processes, and their counters have no difference that means anything.
     *
     */
    started: string;
    /**
     * Present while every new job is refused whatever room there is, so that the server is not
     * ready: `draining` while it stops, `down` while its store does not work
     *
     */
    refusing?: string;
};

/**
 * How long after they were due hashes became visible, in microseconds, over all jobs since
 * start, or within `recent` over those of the last minute; all 0 while there was none.
 * Percentiles are rounded up by at most an eighth. With API keys it is of the jobs of all
 * tenants, and 0 for one that had none.
 *
 */
export type Lateness = {
    p50: number;
    p90: number;
    p99: number;
    max: number;
};

/**
 * The last minute, in steps of five seconds
 */
export type Recent = {
    /**
     * How long it is; less than 55 soon after the start
     */
    seconds: number;
    /**
     * Jobs accepted within it
     */
    accepted: number;
    /**
     * Jobs hashed within it
     */
    completed: number;
    /**
     * As `average` above, of the requests answered within it
     */
    average: number;
    lateness: Lateness;
};

/**
 * How much of a limit is used
 */
export type Use = {
    /**
     * The setting, as refusals name it
     */
    name: string;
    /**
     * What it is set to
     */
    limit: number;
    /**
     * How much of that is used now
     */
    used: number;
};

export type Status = {
    status: ServerStatus;
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
     * The name of the store that keeps the jobs. As long as it is the same, the same jobs are
     * there: after a restart of a durable server, and on each server of a cluster. A server
     * that keeps its jobs in memory has another name after each start, and knows none of the
     * earlier ids.
     *
     */
    store: string;
    /**
     * What keeps the jobs: `memory`, `file` or `jetstream`; later versions may have others
     */
    engine: string;
    /**
     * The algorithms that this server computes
     */
    algorithms: Array<string>;
    limits: Limits;
};

/**
 * What a client has to know of this server's settings
 */
export type Limits = {
    /**
     * The longest secret, in Unicode characters
     */
    secret: number;
    /**
     * The most secrets in a batch
     */
    batch: number;
    /**
     * The most ids in one `GET` or `DELETE`
     */
    range: number;
    /**
     * The longest that `Prefer: wait` holds an answer, in seconds
     */
    wait: number;
    /**
     * From acceptance to due, in seconds
     */
    delay: number;
    /**
     * How long a hash is kept, in seconds
     */
    retention: number;
    /**
     * The largest body of a request, in bytes
     */
    body: number;
    /**
     * The largest body of a batch, in bytes
     */
    batchBody: number;
};

/**
 * `draining`: the server is stopping; it finishes accepted jobs and refuses new ones
 */
export type ServerStatus = 'ok' | 'draining';

export type Health = {
    status: HealthStatus;
    /**
     * What an operator should look after although requests are served, by the name of the setting: a file that
     * was changed and cannot be used, so that what it held before stays in use, or a certificate that expires
     * within 14 days. Absent if there is nothing.
     *
     */
    warnings?: Array<string>;
};

/**
 * All is well; otherwise the answer is a problem
 */
export type HealthStatus = 'ok';

/**
 * RFC 9457 problem details
 */
export type Problem = {
    /**
     * Stable identifier of the kind of problem: base decisions on it. The table lists all kinds
     * of this version. Later versions may add some: treat a kind that you do not know by its
     * status.
     *
     * | behind `urn:hashd:problem:` | status | what to do |
     * |---|---|---|
     * | `invalid-request` | 400 | correct what `errors` lists |
     * | `incomplete-request` | 400 | send the whole body again |
     * | `malformed-request` | 400 | or 417, 431, 501, 505: not a request of HTTP/1.1; correct the client |
     * | `unauthorized` | 401 | send `Authorization: Bearer` with a key that the server's operator has given you |
     * | `forbidden` | 403 | the detail names the scope that your key lacks |
     * | `unknown-path` | 404 | the detail names the paths there are |
     * | `unknown-job` | 404 | submit the job first |
     * | `method-not-allowed` | 405 | `Allow` lists the methods |
     * | `job-gone` | 410 | submit again |
     * | `body-too-large` | 413 | the detail names the limit; split a batch |
     * | `unsupported-media-type` | 415 | send `Content-Type: application/json` |
     * | `misdirected-request` | 421 | address the server by a name that it answers for |
     * | `idempotency-key-reused` | 422 | use a new key for a new job |
     * | `rate-limited` | 429 | slow down: try again after `Retry-After` |
     * | `quota-exceeded` | 429 | you have as many pending jobs as you may: try again after `Retry-After` |
     * | `internal` | 500 | give the operator the `instance` |
     * | `full` | 503 | try again after `Retry-After`; the detail names the limit |
     * | `draining` | 503 | try another instance, or try again after `Retry-After` |
     * | `down` | 503 | try again after `Retry-After`; the operator must repair the store |
     *
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

/**
 * What is wrong with a part of the body, named by `pointer`, or with a parameter
 */
export type FieldError = {
    /**
     * The part of the body: a JSON Pointer in a URI fragment (RFC 6901, section 6)
     */
    pointer?: string;
    /**
     * The parameter's name
     */
    parameter?: string;
    /**
     * Where the parameter is: `path`, `query` or `header`
     */
    in?: string;
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
 * used answers as the first one did and adds no job. A request that comes while the first
 * is in flight waits for its answer. The same key with another body answers `422`. A good
 * key is a new random UUID; send it again only with a retry.
 *
 * A string in quotes (RFC 9651) and the same text without quotes are one key. The header must
 * not be repeated.
 *
 */
export type IdempotencyKey = string;

/**
 * The lowest id
 */
export type First = number;

/**
 * How many ids
 */
export type Count = number;

/**
 * The id above which to look, such as `next` of the answer before
 */
export type After = number;

/**
 * The most hashes to answer with
 */
export type Limit = number;

/**
 * RFC 7240. `wait=N` holds the answer while what it is about is pending, up to N seconds, or up to
 * the server's limit if that is shorter; `Preference-Applied` then says what was applied.
 * Other and malformed preferences are ignored.
 *
 */
export type Prefer = string;

export type ListHashesData = {
    body?: never;
    headers?: {
        /**
         * RFC 7240. `wait=N` holds the answer while what it is about is pending, up to N seconds, or up to
         * the server's limit if that is shorter; `Preference-Applied` then says what was applied.
         * Other and malformed preferences are ignored.
         *
         */
        Prefer?: string;
    };
    path?: never;
    query?: {
        /**
         * The id above which to look, such as `next` of the answer before
         */
        after?: number;
        /**
         * The most hashes to answer with
         */
        limit?: number;
    };
    url: '/hash';
};

export type ListHashesErrors = {
    /**
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The key lacks the scope that this operation needs
     */
    403: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
};

export type ListHashesError = ListHashesErrors[keyof ListHashesErrors];

export type ListHashesResponses = {
    /**
     * What is done
     */
    200: Completions;
};

export type ListHashesResponse = ListHashesResponses[keyof ListHashesResponses];

export type SubmitHashData = {
    body: HashRequest;
    headers?: {
        /**
         * Makes a retry safe: within the server's idempotency window, a request with a key already
         * used answers as the first one did and adds no job. A request that comes while the first
         * is in flight waits for its answer. The same key with another body answers `422`. A good
         * key is a new random UUID; send it again only with a retry.
         *
         * A string in quotes (RFC 9651) and the same text without quotes are one key. The header must
         * not be repeated.
         *
         */
        'Idempotency-Key'?: string;
        /**
         * RFC 7240. `wait=N` holds the answer while what it is about is pending, up to N seconds, or up to
         * the server's limit if that is shorter; `Preference-Applied` then says what was applied.
         * Other and malformed preferences are ignored.
         *
         */
        Prefer?: string;
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
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The key lacks the scope that this operation needs
     */
    403: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The body is larger than the server takes
     */
    413: Problem;
    /**
     * The body is not announced as plain application/json
     */
    415: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The idempotency key was used before with another body
     */
    422: Problem;
    /**
     * The caller has used up its own rate or quota
     */
    429: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
};

export type SubmitHashError = SubmitHashErrors[keyof SubmitHashErrors];

export type SubmitHashResponses = {
    /**
     * Accepted, and done while the server waited
     */
    200: Job;
    /**
     * Accepted
     */
    202: Job;
};

export type SubmitHashResponse = SubmitHashResponses[keyof SubmitHashResponses];

export type CancelBatchData = {
    body?: never;
    path?: never;
    query: {
        /**
         * The lowest id
         */
        first: number;
        /**
         * How many ids
         */
        count: number;
    };
    url: '/hash/batch';
};

export type CancelBatchErrors = {
    /**
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The key lacks the scope that this operation needs
     */
    403: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
};

export type CancelBatchError = CancelBatchErrors[keyof CancelBatchErrors];

export type CancelBatchResponses = {
    /**
     * How many were canceled and erased
     */
    200: Ended;
};

export type CancelBatchResponse = CancelBatchResponses[keyof CancelBatchResponses];

export type GetBatchData = {
    body?: never;
    headers?: {
        /**
         * RFC 7240. `wait=N` holds the answer while what it is about is pending, up to N seconds, or up to
         * the server's limit if that is shorter; `Preference-Applied` then says what was applied.
         * Other and malformed preferences are ignored.
         *
         */
        Prefer?: string;
    };
    path?: never;
    query: {
        /**
         * The lowest id
         */
        first: number;
        /**
         * How many ids
         */
        count: number;
    };
    url: '/hash/batch';
};

export type GetBatchErrors = {
    /**
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The key lacks the scope that this operation needs
     */
    403: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
};

export type GetBatchError = GetBatchErrors[keyof GetBatchErrors];

export type GetBatchResponses = {
    /**
     * What has become of the jobs
     */
    200: Results;
};

export type GetBatchResponse = GetBatchResponses[keyof GetBatchResponses];

export type SubmitBatchData = {
    body: BatchRequest;
    headers?: {
        /**
         * Makes a retry safe: within the server's idempotency window, a request with a key already
         * used answers as the first one did and adds no job. A request that comes while the first
         * is in flight waits for its answer. The same key with another body answers `422`. A good
         * key is a new random UUID; send it again only with a retry.
         *
         * A string in quotes (RFC 9651) and the same text without quotes are one key. The header must
         * not be repeated.
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
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The key lacks the scope that this operation needs
     */
    403: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The body is larger than the server takes
     */
    413: Problem;
    /**
     * The body is not announced as plain application/json
     */
    415: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The idempotency key was used before with another body
     */
    422: Problem;
    /**
     * The caller has used up its own rate or quota
     */
    429: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
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
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The key lacks the scope that this operation needs
     */
    403: Problem;
    /**
     * No job was ever given this id
     */
    404: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The job was canceled or erased, or its retention has ended
     */
    410: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
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
         * RFC 7240. `wait=N` holds the answer while what it is about is pending, up to N seconds, or up to
         * the server's limit if that is shorter; `Preference-Applied` then says what was applied.
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
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The key lacks the scope that this operation needs
     */
    403: Problem;
    /**
     * No job was ever given this id
     */
    404: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The job was canceled or erased, or its retention has ended
     */
    410: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
};

export type GetHashError = GetHashErrors[keyof GetHashErrors];

export type GetHashResponses = {
    /**
     * Done
     */
    200: Job;
    /**
     * Not due yet
     */
    202: Job;
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
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The key lacks the scope that this operation needs
     */
    403: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
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
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The server wants a key, and the request has none that it takes
     */
    401: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
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
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
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
     * Malformed JSON, or a body or parameter that breaks this contract
     */
    400: Problem;
    /**
     * The path exists, but not with this method
     */
    405: Problem;
    /**
     * The request names a host that the server does not answer for
     */
    421: Problem;
    /**
     * The server failed; its log has the cause under the request id
     */
    500: Problem;
    /**
     * A limit is reached, or the server is draining or down
     */
    503: Problem;
    /**
     * Any other problem; its type and status say which
     */
    default: Problem;
};

export type GetReadinessError = GetReadinessErrors[keyof GetReadinessErrors];

export type GetReadinessResponses = {
    /**
     * Ready
     */
    200: Health;
};

export type GetReadinessResponse = GetReadinessResponses[keyof GetReadinessResponses];
