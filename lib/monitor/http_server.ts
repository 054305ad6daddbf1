/** A small HTTP server: each path has one answer. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf, UserError } from "../util/errors.ts";
import { visible } from "../util/text.ts";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Route {
  readonly get?: (query: URLSearchParams) => Answer | Promise<Answer>;
  readonly post?: (request: IncomingMessage) => Promise<Answer>;
  /** Whether it answers under any name: of others, a page elsewhere could read it through a name that it controls. */
  readonly anyHost?: boolean;
}

export type Routes = Readonly<Record<string, Route>>;

export interface RunningServer extends AsyncDisposable {
  readonly url: string;
}

export const textAnswer = (status: number, body: string): Answer => ({
  status,
  type: "text/plain; charset=utf-8",
  body: `${body}\n`,
});

/** Answers until it is disposed of. */
export async function serve(listen: ListenAddress, routes: Routes): Promise<RunningServer> {
  const server = createServer(async (request, response) => {
    const { status, type, body, headers } = await answerOf(request, routes, listen);
    const safe = { "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" };
    response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store", ...safe, ...headers });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.on("error", reject); // Also handles later errors, of single connections, which must not end the relay.
      server.listen({ ...listen }, resolve);
    });
  } catch (error) {
    throw cannotListen(listen, error);
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${addressText({ ...listen, port })}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answerOf(request: IncomingMessage, routes: Routes, listen: ListenAddress): Promise<Answer> {
  const { method = "", url = "", headers: { host } } = request;
  const [path = "", query] = url.split("?");
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route?.anyHost && !isOwnHost(host, listen)) {
    const use = "Use its IP address, or listen on this name.";
    return textAnswer(421, `${visible(host ?? "")} is not a name of this server. ${use}`);
  }
  if (!route) return textAnswer(404, `${path} does not exist. Paths: ${Object.keys(routes).join(", ")}`);
  try {
    if (route.get && /^(?:GET|HEAD)$/.test(method)) return await route.get(new URLSearchParams(query));
    if (route.post && method === "POST") return await route.post(request);
    return textAnswer(405, `Only ${route.get ? "GET and HEAD are" : "POST is"} answered.`);
  } catch (error) {
    return textAnswer(500, messageOf(error));
  }
}

const IP_ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[\da-f:.]+\])$/i;

/**
 * Whether a `Host` is an IP address, a name without a dot, or the name that was listened on: no public name,
 * which another site could give to this address (DNS rebinding).
 *
 * @example
 * IN: 127.0.0.1:9464 or relay:9464 → OUT: true; IN: evil.example:9464 → OUT: false
 */
export function isOwnHost(host: string | undefined, { host: own }: Pick<ListenAddress, "host">): boolean {
  if (host === undefined) return true; // No browser.
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === own.toLowerCase() || IP_ADDRESS.test(name) || /^[^.:\s]+$/.test(name);
}

const addressText = ({ host, port }: ListenAddress): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`;

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens on it",
  EADDRNOTAVAIL: "this machine does not have this address",
  EINVAL: "this machine does not have this address",
  ENOTFOUND: "the host is unknown",
  EACCES: "permission denied",
};

function cannotListen(listen: ListenAddress, error: unknown): UserError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return new UserError(`Cannot listen on ${addressText(listen)}: ${REASONS[code] ?? messageOf(error)}`, {
    hint: "Give --listen another address, e.g. 127.0.0.1:9465. Ports below 1024 often need privileges.",
    cause: error,
  });
}

export interface ListenAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

const MAX_PORT = 65_535;

/**
 * @example
 * IN: 127.0.0.1:9464 → OUT: {host: "127.0.0.1", port: 9464}
 * IN: [::1]:9464 → OUT: {host: "::1", port: 9464}
 *
 * @throws RangeError, whose message follows the name of the option
 */
export function parseListenAddress(text: string): ListenAddress {
  const [, ipv6, name, port] = /^(?:\[([\da-f:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = ipv6 ?? name;
  if (host === undefined || Number(port) > MAX_PORT) {
    throw new RangeError("is not an address such as 127.0.0.1:9464 or [::1]:9464");
  }
  return { host, port: Number(port) };
}
