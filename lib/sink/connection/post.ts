/** How a request gets to the HTTP endpoint. */
import { Buffer } from "node:buffer";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import type { Certificates } from "./url.ts";

export interface Request {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
}

export interface Response {
  readonly status: number;
  readonly text: string;
}

export interface Poster extends Disposable {
  post(url: string, request: Request): Promise<Response>;
}

/** Trusts the authorities that the runtime knows. */
export const FETCH: Poster = {
  async post(url, { headers, body, timeoutMs }) {
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, text: await response.text() };
  },
  [Symbol.dispose]() {},
};

/** With certificates of one's own, which `fetch` takes in no way that all runtimes have. */
export function withCertificates(certificates: Certificates): Poster {
  const agent = new Agent({ ...certificates, keepAlive: true });
  return {
    async post(url, { headers, body, timeoutMs }) {
      const { promise, resolve, reject } = Promise.withResolvers<Response>();
      const sending = request(url, {
        method: "POST",
        agent,
        headers: { ...headers, "Content-Length": Buffer.byteLength(body) },
        signal: AbortSignal.timeout(timeoutMs),
      });
      sending.on("response", (response) => {
        text(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      });
      sending.on("error", reject);
      sending.end(body);
      return await promise;
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}
