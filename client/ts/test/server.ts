import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The binary that the test run has built. */
const binary = fileURLToPath(new URL("../../../.cache/hashd-ts", import.meta.url));

/** A hashd of the real binary, on a free loopback port. */
export interface Server {
  baseUrl: string;
  process: ChildProcess;
  /** Ends it and waits for that. */
  stop(): Promise<void>;
}

/** Starts a server and returns once it listens. */
export async function start(...args: string[]): Promise<Server> {
  const child = spawn(binary, ["--port=0", "--log-format=json", "--first-id=1", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  process.once("exit", () => child.kill("SIGKILL")); // if a test breaks off
  process.once("SIGTERM", () => process.exit(1)); // how the test runner ends a test that takes too long
  const ended = once(child, "exit");
  const lines = createInterface(child.stderr);
  for await (const line of lines) {
    const { msg, address } = JSON.parse(line) as { msg: string; address?: string };
    if (msg !== "listening") continue;
    child.stderr.resume(); // nothing more is read, and a full pipe would stop it
    return { baseUrl: `http://${address}`, process: child, stop: () => stop(child, ended) };
  }
  throw new Error(`hashd ended before it listened: ${await ended}`);
}

async function stop(child: ChildProcess, ended: Promise<unknown[]>): Promise<void> {
  child.kill("SIGTERM");
  const deadline = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [code] = await ended;
  clearTimeout(deadline);
  if (code !== 0) throw new Error(`hashd ended with ${code}`);
}

/** SHA-512 of angryMonkey. */
export const angryMonkey = "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q==";
