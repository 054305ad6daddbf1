/** A small HTTP server for those who watch the program: each path has one answer, which changes nothing. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { messageOf, UserError } from "../util/errors.ts";
import type { ListenAddress } from "./listen_address.ts";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

export interface RunningServer extends AsyncDisposable {
  readonly url: string;
}

export const textAnswer = (status: number, body: string): Answer => ({
  status,
  type: "text/plain; charset=utf-8",
  body: `${body}\n`,
});

/**
 * Answers until it is disposed of.
 *
 * @throws UserError when the address cannot be had
 */
export async function serve({ host, port }: ListenAddress, routes: Routes): Promise<RunningServer> {
  const server = createServer((request, response) => void respond(request, response, routes));
  try {
    await new Promise<void>((resolve, reject) => {
      // Errors that come later are those of one connection; nothing may end the relay.
      server.on("error", reject);
      server.listen({ host, port }, resolve);
    });
  } catch (error) {
    throw cannotListen({ host, port }, error);
  }
  const address = server.address();
  const actual = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${hostText(host)}:${actual}`,
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
  const [path = ""] = url.split("?");
  if (!Object.hasOwn(routes, path)) {
    return textAnswer(404, `There is no ${path}. There are: ${Object.keys(routes).join(", ")}`);
  }
  if (method !== "GET" && method !== "HEAD") return textAnswer(405, "Only GET and HEAD are answered.");
  try {
    return await routes[path]?.() ?? textAnswer(404, "");
  } catch (error) {
    return textAnswer(500, messageOf(error));
  }
}

const hostText = (host: string): string => host.includes(":") ? `[${host}]` : host;

/** What the system says, in words. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EADDRNOTAVAIL: "this machine has no such address",
  EINVAL: "this machine has no such address",
  ENOTFOUND: "there is no such host",
  EACCES: "it is not allowed",
};

function cannotListen({ host, port }: ListenAddress, error: unknown): UserError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const address = `${hostText(host)}:${port}`;
  return new UserError(`Cannot listen on ${address}: ${REASONS[code] ?? messageOf(error)}`, {
    hint: "Give --listen another address, e.g. 127.0.0.1:9465. Ports below 1024 often need rights.",
    cause: error,
  });
}
