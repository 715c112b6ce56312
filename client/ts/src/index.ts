export {
  HashdClient,
  type DoneJob,
  type GetOptions,
  type HashdOptions,
  type Job,
  type Later,
  type PendingJob,
  type SubmitOptions,
} from "./client.js";
export { HashdError, InvalidAnswerError, NetworkError, ProblemError } from "./errors.js";
export type {
  AcceptedBatch,
  Algorithm,
  BatchRequest,
  Due,
  FieldError,
  Hash,
  HashRequest,
  Health,
  HealthStatus,
  JobId,
  JobStatus,
  Lateness,
  Problem,
  ServerStatus,
  Stats,
  Status,
} from "./generated/types.gen.js";
export type { RequestOptions } from "./transport.js";
