// Code generated from api/openapi.yaml. DO NOT EDIT.

import type { Client, Options as Options2, TDataShape } from '../transport.js';

import type { CancelBatchData, CancelBatchErrors, CancelBatchResponses, CancelHashData, CancelHashErrors, CancelHashResponses, GetBatchData, GetBatchErrors, GetBatchResponses, GetHashData, GetHashErrors, GetHashResponses, GetHealthData, GetHealthErrors, GetHealthResponses, GetReadinessData, GetReadinessErrors, GetReadinessResponses, GetStatsData, GetStatsErrors, GetStatsResponses, GetStatusData, GetStatusErrors, GetStatusResponses, ListHashesData, ListHashesErrors, ListHashesResponses, SubmitBatchData, SubmitBatchErrors, SubmitBatchResponses, SubmitHashData, SubmitHashErrors, SubmitHashResponses } from './types.gen.js';

export type Options<TData extends TDataShape = TDataShape, ThrowOnError extends boolean = boolean, TResponse = unknown> = Options2<TData, ThrowOnError, TResponse> & {
    /**
     * You can provide a client instance returned by `createClient()` instead of
     * individual options. This might be also useful if you want to implement a
     * custom client.
     */
    client: Client;
    /**
     * You can pass arbitrary values through the `meta` object. This can be
     * used to access values that aren't defined as part of the SDK function.
     */
    meta?: Record<string, unknown>;
};

/**
 * Follow the hashes as they are done
 *
 * Answers with the hashes of jobs above `after`, in the order of their ids, up to the oldest job that is
 * pending: no job that is done later has a lower id than what was read. Give `next` as `after` to
 * go on. So a client that keeps `next` gets every hash once, unless it is erased or past its
 * retention before; jobs that are gone are passed over. With `Prefer: wait=N` the server waits,
 * up to N seconds, until there is something to tell.
 *
 */
export const listHashes = <ThrowOnError extends boolean = true>(options: Options<ListHashesData, ThrowOnError>) => options.client.get<ListHashesResponses, ListHashesErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/hash',
    ...options
});

/**
 * Submit a secret to be hashed after the delay
 *
 * Answers at once with the job's id and the instant at which its hash will be computed. With
 * `Prefer: wait=N` the server waits for the hash, up to N seconds, and answers `200` if it comes.
 * An accepted job ends with a hash unless it is canceled or the server loses its store: a
 * server that keeps jobs in memory loses them with its process.
 *
 */
export const submitHash = <ThrowOnError extends boolean = true>(options: Options<SubmitHashData, ThrowOnError>) => options.client.post<SubmitHashResponses, SubmitHashErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/hash',
    ...options,
    headers: {
        'Content-Type': 'application/json',
        ...options.headers
    }
});

/**
 * Cancel many jobs or erase their hashes
 *
 * Does to each of `count` consecutive ids, from `first` on, what `DELETE /hash/{id}` does, and counts
 * what has become of them.
 *
 */
export const cancelBatch = <ThrowOnError extends boolean = true>(options: Options<CancelBatchData, ThrowOnError>) => options.client.delete<CancelBatchResponses, CancelBatchErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/hash/batch',
    ...options
});

/**
 * Collect many hashes at once
 *
 * Tells of each of `count` consecutive ids, from `first` on, what has become of its job, in the order of the
 * ids: those of a batch, or any others. With `Prefer: wait=N` the server waits, up to N seconds, until none of them
 * is pending.
 *
 * `Accept: application/x-ndjson` asks for a line of JSON for each id in place of one document.
 * With `Prefer: wait=N` each line is then sent as soon as its job and those before it are no more pending. After
 * N seconds the rest are sent as they are.
 *
 */
export const getBatch = <ThrowOnError extends boolean = true>(options: Options<GetBatchData, ThrowOnError>) => options.client.get<GetBatchResponses, GetBatchErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/hash/batch',
    ...options
});

/**
 * Submit many secrets at once
 *
 * All or nothing: either each secret becomes a job or none does. The jobs' ids are
 * consecutive, in the order of the secrets, and they are due together. From then on each
 * is a job like any other.
 *
 */
export const submitBatch = <ThrowOnError extends boolean = true>(options: Options<SubmitBatchData, ThrowOnError>) => options.client.post<SubmitBatchResponses, SubmitBatchErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/hash/batch',
    ...options,
    headers: {
        'Content-Type': 'application/json',
        ...options.headers
    }
});

/**
 * Cancel a job or erase its hash
 *
 * Cancels a pending job, whose secret is wiped at once and never hashed, or erases the
 * hash of one that is done. From then on the id answers `410`.
 *
 */
export const cancelHash = <ThrowOnError extends boolean = true>(options: Options<CancelHashData, ThrowOnError>) => options.client.delete<CancelHashResponses, CancelHashErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/hash/{id}',
    ...options
});

/**
 * Collect a hash
 *
 * Answers `200` with the hash once the job is done and `202` while it is pending. With
 * `Prefer: wait=N` the server waits for a pending job, up to N seconds.
 *
 */
export const getHash = <ThrowOnError extends boolean = true>(options: Options<GetHashData, ThrowOnError>) => options.client.get<GetHashResponses, GetHashErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/hash/{id}',
    ...options
});

/**
 * Counters since start
 *
 * How many jobs there were and are, how long they took to accept and how late they were done.
 */
export const getStats = <ThrowOnError extends boolean = true>(options: Options<GetStatsData, ThrowOnError>) => options.client.get<GetStatsResponses, GetStatsErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/stats',
    ...options
});

/**
 * Status and versions
 *
 * What this server is, and whether a stop was asked for.
 */
export const getStatus = <ThrowOnError extends boolean = true>(options: Options<GetStatusData, ThrowOnError>) => options.client.get<GetStatusResponses, GetStatusErrors, ThrowOnError>({
    security: [{ scheme: 'bearer', type: 'http' }],
    url: '/v/status',
    ...options
});

/**
 * Whether the process is alive
 *
 * Answers `200` as long as the process can answer at all, also while draining.
 */
export const getHealth = <ThrowOnError extends boolean = true>(options: Options<GetHealthData, ThrowOnError>) => options.client.get<GetHealthResponses, GetHealthErrors, ThrowOnError>({ url: '/healthz', ...options });

/**
 * Whether new jobs are taken
 *
 * Answers `503` while the server drains or its store is down, so that new jobs are sent
 * elsewhere. A server that is merely full is ready: jobs are collected and erased in it, which
 * makes room. `full` in `GET /stats` says that it is.
 *
 */
export const getReadiness = <ThrowOnError extends boolean = true>(options: Options<GetReadinessData, ThrowOnError>) => options.client.get<GetReadinessResponses, GetReadinessErrors, ThrowOnError>({ url: '/readyz', ...options });
