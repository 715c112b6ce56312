export { HashdClient, type GetOptions, type HashdOptions, type Job, type Later, type SubmitOptions } from "./client.js";
export { HashdError, InvalidAnswerError, NetworkError, ProblemError } from "./errors.js";
export type {
  AcceptedBatch,
  AcceptedJob,
  Algorithm,
  BatchRequest,
  FieldError,
  HashRequest,
  HashResult,
  Health,
  JobId,
  Lateness,
  PendingJob,
  Problem,
  Stats,
  Status,
} from "./generated/types.gen.js";
export type { RequestOptions } from "./transport.js";
