/** Sends requests to the HTTP endpoint. */
import http from "node:http";
import https from "node:https";
import { authorizationHeader, type Proxy, tunnelAgent } from "./proxy.ts";
import type { Certificates } from "./url.ts";

export interface Response {
  readonly status: number;
  readonly text: string;
}

/** Idle connections are closed before load balancers and proxies close them, usually after 60 s. */
const IDLE_MS = 4_000;

/** Posts to one URL over connections that are kept open. Sends each request once: the caller decides whether to repeat it. */
export class Poster implements Disposable {
  readonly #options: https.RequestOptions;
  readonly #request: typeof https.request;
  readonly #agent: http.Agent;
  readonly #proxyHeaders: Readonly<Record<string, string>>;

  constructor(
    url: string,
    { certificates, proxy }: { certificates?: Certificates | undefined; proxy?: Proxy | undefined } = {},
  ) {
    const { protocol, hostname, host, port, pathname } = new URL(url);
    const isTls = protocol === "https:";
    const kept = { ...certificates, keepAlive: true, timeout: IDLE_MS };
    const isForwarded = proxy !== undefined && !isTls;
    if (!isTls) this.#agent = new http.Agent(kept);
    else this.#agent = proxy ? tunnelAgent(proxy, kept) : new https.Agent(kept);
    this.#request = isTls ? https.request : http.request;
    this.#proxyHeaders = isForwarded ? { Host: host, ...authorizationHeader(proxy) } : {};
    const to = isForwarded ? { host: proxy.host, port: proxy.port, path: url } : {
      // A socket takes an IPv6 address without the brackets of a URL.
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port) || (isTls ? 443 : 80),
      path: pathname,
    };
    this.#options = { method: "POST", agent: this.#agent, ...to };
  }

  /** @param limitMs milliseconds until the whole response has to have arrived @throws the error of a failed connection */
  async post(
    { headers, body, limitMs }: { headers: http.OutgoingHttpHeaders; body: Uint8Array; limitMs: number },
  ): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const sending = this.#request({
      ...this.#options,
      headers: { ...headers, ...this.#proxyHeaders, "Content-Length": body.length },
    });
    const timer = setTimeout(() => {
      reject(Object.assign(new Error(`no answer within ${limitMs / 1000} s`), { code: "ETIMEDOUT" }));
      sending.socket?.resetAndDestroy();
      sending.destroy();
    }, limitMs);
    // Deno repeats a request that has failed on a connection used before, unless it counts as a new one.
    sending.on("socket", () => sending.reusedSocket = false);
    sending.on("error", reject);
    sending.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => text += part);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", reject);
    });
    sending.end(body);
    return await promise.finally(() => clearTimeout(timer));
  }

  /** Resets connections in use, so that no server receives a request later that has been given up. */
  [Symbol.dispose](): void {
    for (const socket of Object.values(this.#agent.sockets).flat()) socket?.resetAndDestroy();
    this.#agent.destroy();
  }
}
