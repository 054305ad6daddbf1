/** CrateDB's HTTP endpoint. See https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html */
import { Buffer } from "node:buffer";
import process from "node:process";
import { SinkError, sinkErrorKind } from "./sink_error.ts";
import { CRATEDB } from "../sql/dialect.ts";
import { Poster, type Response } from "./post.ts";
import { proxyTo } from "./proxy.ts";
import { type Parameter, type Query, type Result, STATEMENT_LIMIT_MS, type Transport } from "./transport.ts";
import type { SinkAddress } from "./url.ts";

/** Limit of the first statement, which checks that CrateDB answers. */
const CONNECT_LIMIT_MS = 10_000;

/** Error codes of status 401 if user and password are right. */
const NOT_LOGIN = [4010, 4011];

export class HttpTransport implements Transport {
  readonly dialect = CRATEDB;
  /** The URL, and the proxy to it. */
  readonly #server: string;
  readonly #authorization: () => string;
  readonly #poster: Poster;

  constructor(address: SinkAddress, env: Readonly<Record<string, string | undefined>> = process.env) {
    const { host, port, tls, certificates } = address;
    const url = `${tls ? "https" : "http"}://${host}:${port}/_sql`;
    const proxy = proxyTo(url, env);
    this.#server = proxy ? `${url} through the proxy of ${proxy.text}` : url;
    this.#authorization = authorizationOf(address);
    this.#poster = new Poster(url, { certificates, proxy });
  }

  /** @throws SinkError if CrateDB does not answer, or refuses the user */
  static async open(address: SinkAddress): Promise<HttpTransport> {
    const transport = new HttpTransport(address);
    await transport.query("SELECT 1", [], { limitMs: CONNECT_LIMIT_MS });
    return transport;
  }

  async query(
    ...[sql, parameters = [], { limitMs = STATEMENT_LIMIT_MS } = {}]: Parameters<Query>
  ): Promise<Result> {
    const args = parameters.map(argument);
    checkTexts(args, this.dialect.maxText);
    const headers = { "Content-Type": "application/json", Authorization: this.#authorization() };
    const response = await this.#poster.post({ headers, body: JSON.stringify({ stmt: sql, args }), limitMs })
      .catch((cause) => Promise.reject(requestError(this.#server, cause)));
    const answer = parse(response.text);
    if (answer?.error) throw answerError(response.status, answer.error);
    if (!answer || response.status !== 200) throw otherAnswerError(response, this.#server);
    return { count: answer.rowcount ?? 0, rows: answer.rows ?? [] };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#poster[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** Refuses a text that CrateDB's parser would refuse with the whole statement in its answer. */
function checkTexts(args: readonly ReturnType<typeof argument>[], max: number): void {
  for (const text of args.flat()) {
    if (typeof text !== "string" || text.length <= max) continue;
    throw new SinkError(
      `A text of ${text.length} characters is longer than the ${max} that CrateDB takes. Over HTTP that is the limit for ` +
        "the JSON of a document, over the PostgreSQL wire (CRATEDB_URL) for each of its values.",
      { kind: "too large" },
    );
  }
}

/** @example IN: {user: "me", password: "s@fe"} → OUT: () => "Basic bWU6c0BmZQ==" */
function authorizationOf({ user, password, latestPassword, jwt }: SinkAddress): () => string {
  if (jwt) return () => `Bearer ${jwt()}`;
  const latest = latestPassword ?? (() => password);
  return () => `Basic ${Buffer.from(`${user}:${latest()}`).toString("base64")}`;
}

function answerError(status: number, { message, code }: NonNullable<Answer["error"]>): SinkError {
  const isLogin = status === 401 && !NOT_LOGIN.includes(code);
  return new SinkError(message, { code: String(isLogin ? status : code) });
}

/** CrateDB refuses a login in plain text. Any other answer is that of another server. */
function otherAnswerError({ status, text }: Response, server: string): SinkError {
  const code = String(status);
  if (status === 401 && /^[^<{]/.test(text)) return new SinkError(text.trim(), { code });
  const message = `HTTP status ${status} from ${server}, which is not an answer of CrateDB`;
  const kind = sinkErrorKind(code, message);
  const isForeign = ["refused", "unspecific"].includes(kind);
  return new SinkError(message, { code, kind: isForeign ? "foreign server" : kind });
}

/** The error of a request without an answer: the statement was not refused. */
function requestError(server: string, cause: unknown): SinkError {
  const { code = "ECONNECT", message } = cause as Error & { readonly code?: string };
  const own = sinkErrorKind(code, message);
  const kind = ["unknown host", "tls"].includes(own) ? own : "unreachable";
  return new SinkError(`${server}: ${message.trim()}`, { code, kind, cause });
}

interface Answer {
  readonly error?: { readonly message: string; readonly code: number };
  readonly rowcount?: number;
  readonly rows?: readonly (readonly unknown[])[];
}

function parse(text: string): Answer | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Objects are sent as text. In real objects, CrateDB 6 changes arrays of mixed types. */
const argument = (parameter: Parameter) =>
  parameter !== null && typeof parameter === "object" && "json" in parameter ? parameter.json : parameter;
