/** Sends requests to the HTTP endpoint, directly or through the HTTP proxy in the environment variables. */
import http from "node:http";
import https from "node:https";
import type { Certificates } from "./url.ts";
import net from "node:net";
import tls from "node:tls";
import { Buffer } from "node:buffer";
import { UsageError } from "../../util/errors.ts";
import { maskUrl } from "../../util/mask_url.ts";

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

export interface Proxy {
  readonly host: string;
  readonly port: number;
  /** The value of `Proxy-Authorization`; undefined without a login. */
  readonly authorization: string | undefined;
  /** For errors: the variable that names the proxy, and its URL without the password. */
  readonly text: string;
}

const LOOPBACK = /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i;

/** The proxy to a URL; undefined to connect directly, to this machine and to the hosts in `NO_PROXY`. */
export function proxyTo(url: string, env: Readonly<Record<string, string | undefined>>): Proxy | undefined {
  const { protocol, hostname, port: urlPort } = new URL(url);
  const port = urlPort || (protocol === "https:" ? "443" : "80");
  const names = protocol === "https:" ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy", "HTTP_PROXY"];
  const variable = [...names, "all_proxy", "ALL_PROXY"].find((name) => env[name]);
  const isDirect = LOOPBACK.test(hostname) || isExempt(hostname, port, env.no_proxy ?? env.NO_PROXY ?? "");
  if (isDirect || variable === undefined) return undefined;
  const value = env[variable] ?? "";
  const proxy = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  if (!URL.canParse(proxy) || new URL(proxy).protocol !== "http:") {
    throw new UsageError(`${variable} names no proxy that can be used: ${maskUrl(value)}`, {
      hint:
        "It looks like http://[user:password@]host:3128. To reach CrateDB without it, name CrateDB's host in NO_PROXY.",
    });
  }
  const { hostname: host, port: proxyPort, username, password } = new URL(proxy);
  return {
    host: host.replace(/^\[|\]$/g, ""),
    port: Number(proxyPort || 80),
    authorization: username === "" ? undefined : `Basic ${loginOf({ username, password }, variable)}`,
    text: `${variable} (${maskUrl(proxy)})`,
  };
}

/** @example IN: {username: "me", password: "p%40ss"} → OUT: bWU6cEBzcw== */
function loginOf({ username, password }: Pick<URL, "username" | "password">, variable: string): string {
  try {
    return Buffer.from([username, password].map(decodeURIComponent).join(":")).toString("base64");
  } catch {
    throw new UsageError(`The user or the password in ${variable} has a % that begins no escape.`, {
      hint: "Write the character % as %25.",
    });
  }
}

/** @example IN: "db.example.org", "4200", ".example.org" → OUT: true; IN: "db.example.org", "4200", "example.org:80" → OUT: false */
function isExempt(hostname: string, port: string, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return list.toLowerCase().split(/[\s,]+/).filter((entry) => entry !== "").some((entry) => {
    if (entry === "*") return true;
    const [, name = "", entryPort] = /^(.*?)(?::(\d+))?$/.exec(entry.replace(/^\[(.*)\]/, "$1")) ?? [];
    const wanted = net.isIPv6(entry) ? entry : name.replace(/^\*?\./, "");
    const isPort = net.isIPv6(entry) || entryPort === undefined || entryPort === port;
    return isPort && (host === wanted || !net.isIP(host) && host.endsWith(`.${wanted}`));
  });
}

/** The header for requests to the proxy, unless it needs no login. */
export const authorizationHeader = ({ authorization }: Proxy): Readonly<Record<string, string>> =>
  authorization === undefined ? {} : { "Proxy-Authorization": authorization };

type Connected = (error: Error | null, socket?: net.Socket) => void;

/** From the request to the proxy until the end of the handshake with the server. */
const CONNECT_LIMIT_MS = 10_000;

/** Connects through the proxy to a server with TLS. Attempts end with the agent, or after `limitMs` milliseconds. */
export function tunnelAgent(
  proxy: Proxy,
  options: https.AgentOptions,
  limitMs = CONNECT_LIMIT_MS,
): http.Agent {
  const agent = new https.Agent(options);
  const destroyAgent = agent.destroy.bind(agent);
  /** Each ends an attempt to connect. */
  const attempts = new Set<(error: Error) => void>();
  const connect = ({ host, port }: tls.ConnectionOptions, connected: Connected) => {
    const asking = http.request({
      host: proxy.host,
      port: proxy.port,
      method: "CONNECT",
      path: `${host}:${port}`,
      agent: false,
      headers: { Host: `${host}:${port}`, ...authorizationHeader(proxy) },
    });
    let tunnel: net.Socket | undefined;
    const settle: Connected = (error, socket) => {
      if (!attempts.delete(end)) return;
      clearTimeout(timer);
      connected(error, socket);
    };
    const end = (error: Error) => {
      settle(error);
      asking.destroy();
      tunnel?.destroy();
    };
    attempts.add(end);
    const timer = setTimeout(() => {
      const message = `the proxy has made no connection within ${limitMs / 1_000} s`;
      end(Object.assign(new Error(message), { code: "ETIMEDOUT" }));
    }, limitMs);
    asking.on("error", end);
    asking.on("connect", ({ statusCode }, socket) => {
      tunnel = socket;
      if (!attempts.has(end)) return void socket.destroy();
      if (statusCode !== 200) return end(new Error(`the proxy answers CONNECT with status ${statusCode}`));
      const { ca, cert, key } = options;
      const name = host !== undefined && !net.isIP(host) && { servername: host };
      const secured = tls.connect({ socket, ...host && { host }, ...name, ca, cert, key });
      tunnel = secured;
      secured.on("error", end);
      secured.on("secureConnect", () => settle(null, secured));
    });
    asking.end();
  };
  const destroy = () => {
    for (const end of attempts) end(new Error("the connection through the proxy was given up"));
    destroyAgent();
  };
  return Object.assign(agent, { createConnection: connect, destroy });
}
