import { ProblemError } from "./errors.js";

/** What one request may have at most. */
export interface Limits {
  /** Secrets in a batch. */
  batch: number;
  /** Bytes of a batch's body. */
  batchBody: number;
  /** Ids in a range. */
  range: number;
}

/** What a server takes by default, for one that does not tell. */
const DEFAULTS: Limits = { batch: 10_000, batchBody: 8 << 20, range: 10_000 };

/** Returns the limits that a server's status tells, and the defaults for those that it does not. */
export function limitsOf(status: object): Limits {
  const told = "limits" in status && typeof status.limits === "object" && status.limits !== null ? status.limits : {};
  const limits = { ...DEFAULTS };
  for (const [name, value] of Object.entries(told)) {
    if (name in limits && Number.isSafeInteger(value) && value > 0) limits[name as keyof Limits] = value;
  }
  return limits;
}

/** Room for what surrounds the secrets in a body. */
const AROUND = 128;

/** Returns how many of the secrets from start on fit into one batch: one at least, for the server to refuse. */
export function fitting(passwords: string[], start: number, { batch, batchBody }: Limits): number {
  const encoder = new TextEncoder();
  let count = 0;
  for (let bytes = AROUND; count < batch && start + count < passwords.length; count++) {
    bytes += encoder.encode(JSON.stringify(passwords[start + count])).length + 1;
    if (bytes > batchBody && count > 0) break;
  }
  return Math.max(count, 1);
}

/** Whether the error says that a batch was too large: of too many bytes, or of too many secrets. */
export function isTooLarge(error: unknown): boolean {
  if (!(error instanceof ProblemError)) return false;
  return error.status === 413 || (error.status === 400 && error.errors.some(({ pointer }) => pointer === "#/passwords"));
}
