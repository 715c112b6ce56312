import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

import { HashdClient, type HashdOptions } from "@hashd/client";

export type Answer = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => void;

/** Serves these answers on loopback for the length of a test, and returns a client of them. */
export async function fake(t: TestContext, answer: Answer, options: HashdOptions = {}): Promise<HashdClient> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://fake");
    request.url = url.pathname;
    answer(request, response, url.searchParams);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new HashdClient({ ...options, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

export function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { "Content-Type": status < 400 ? "application/json" : "application/problem+json" }).end(JSON.stringify(body));
}

/** What a server says of itself; `more` has what this test is about. */
export const status = (more: object = {}) => ({
  status: "ok",
  api: "2.0.0",
  version: "v",
  commit: "c",
  go: "g",
  started: "2026-01-01T00:00:00Z",
  store: "0123456789abcdef",
  ...more,
});
