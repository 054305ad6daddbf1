/** A small HTTP server that reports: each path has one answer, and changes nothing. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf, UserError } from "../util/errors.ts";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type Routes = Readonly<Record<string, (query: URLSearchParams) => Answer | Promise<Answer>>>;

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
  const server = createServer((request, response) => void respond(request, response, routes));
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

async function respond(request: IncomingMessage, response: ServerResponse, routes: Routes): Promise<void> {
  const { status, type, body } = await answerOf(request, routes);
  response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" });
  response.end(request.method === "HEAD" ? undefined : body);
}

async function answerOf({ method = "", url = "" }: IncomingMessage, routes: Routes): Promise<Answer> {
  const [path = "", query] = url.split("?");
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) return textAnswer(404, `${path} does not exist. Paths: ${Object.keys(routes).join(", ")}`);
  if (method !== "GET" && method !== "HEAD") return textAnswer(405, "Only GET and HEAD are answered.");
  try {
    return await route(new URLSearchParams(query));
  } catch (error) {
    return textAnswer(500, messageOf(error));
  }
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
