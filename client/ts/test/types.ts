// Checked by the compiler alone: each line below an @ts-expect-error must be an error.
import { type AcceptedBatch, type DoneJob, HashdClient, type Job, type PendingJob, type ProblemError } from "@hashd/client";

export async function types(hashd: HashdClient, problem: ProblemError, signal: AbortSignal): Promise<unknown[]> {
  const accepted: PendingJob & { retryAfter: number } = await hashd.submitHash({ password: "p", algorithm: "sha3-512" });
  const batch: AcceptedBatch = await hashd.submitBatch({ passwords: ["p"] }, { idempotencyKey: "k", signal });
  const result: DoneJob = await hashd.submitAndWait({ password: "p" }, { signal });
  const nothing: void = await hashd.cancelHash(accepted.id, { signal });

  for await (const one of hashd.batchResults(batch.first, batch.count, { signal, retryFor: 1000 })) {
    const hash: string | undefined = one.hash; // there is none of a job that is gone
    // @ts-expect-error there may be no hash
    hash.length;
  }
  for await (const one of hashd.results({ after: 5, store: "s" })) one.hash.length; // always there
  // @ts-expect-error one request is not repeated
  await hashd.getBatch(1, 2, { retryFor: 1000 });

  new HashdClient({ apiKey: async () => "k" });
  // @ts-expect-error a key is a text
  new HashdClient({ apiKey: 5 });

  // @ts-expect-error a secret is needed
  await hashd.submitHash({});
  // @ts-expect-error no such algorithm
  await hashd.submitHash({ password: "p", algorithm: "md5" });
  // @ts-expect-error no such field
  await hashd.submitHash({ password: "p", pasword: "q" });
  // @ts-expect-error a batch takes a list
  await hashd.submitBatch({ passwords: "p" });
  // @ts-expect-error ids are numbers
  await hashd.getHash("1");
  // @ts-expect-error no such option
  await hashd.getHash(1, { waits: 10 });
  // @ts-expect-error a key is for submissions
  await hashd.getHash(1, { idempotencyKey: "k" });

  const job: Job = await hashd.getHash(accepted.id, { wait: 10 });
  // @ts-expect-error there is no hash before status has told
  job.hash;
  const text: string = job.status === "done" ? job.hash : `${job.due} ${job.retryAfter}`;
  if (job.status === "done") {
    // @ts-expect-error what is done is no longer due
    job.due;
  }
  // @ts-expect-error there is no such status
  if (job.status === "canceled") return [];

  // @ts-expect-error the list may be empty
  const pointer: string = problem.errors[0].pointer;
  // @ts-expect-error errors are not written to
  problem.type = "";
  return [batch, result, nothing, text, pointer];
}
