/**
 * CrateDB's HTTP endpoint, the one that the quick start publishes.
 *
 * @see https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html
 */
import { SinkError, type SinkErrorKind, sinkErrorKind } from "./sink_error.ts";
import { CRATEDB } from "./dialect.ts";
import { FETCH, type Poster, type Response, withCertificates } from "./post.ts";
import type { Parameter, Result } from "./query.ts";
import type { Transport } from "./transport.ts";
import type { SinkAddress } from "./url.ts";

const STATEMENT_TIMEOUT_MS = 120_000;
/** For the first statement, which only asks whether there is a CrateDB. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Error codes that come with status 401 though user and password are right. */
const NOT_LOGIN = [4010, 4011];

export class HttpTransport implements Transport {
  readonly dialect = CRATEDB;
  readonly #url: string;
  readonly #schema: string;
  readonly #authorization: () => string;
  readonly #poster: Poster;

  constructor(address: SinkAddress) {
    const { host, port, tls, schema, certificates } = address;
    this.#url = `${tls ? "https" : "http"}://${host}:${port}/_sql`;
    this.#schema = schema;
    this.#authorization = authorizationOf(address);
    this.#poster = certificates ? withCertificates(certificates) : FETCH;
  }

  /** @throws SinkError when no CrateDB answers, or refuses the user */
  static async open(address: SinkAddress): Promise<HttpTransport> {
    const transport = new HttpTransport(address);
    await transport.#query("SELECT 1", [], CONNECT_TIMEOUT_MS);
    return transport;
  }

  query(sql: string, parameters: readonly Parameter[] = []): Promise<Result> {
    return this.#query(sql, parameters, STATEMENT_TIMEOUT_MS);
  }

  async #query(sql: string, parameters: readonly Parameter[], timeout: number): Promise<Result> {
    checkTexts(parameters, this.dialect.maxText);
    const body = JSON.stringify({ stmt: sql, args: parameters.map(argument) });
    const { status, text } = await this.#post(body, timeout);
    const answer = parse(text);
    if (!answer || status !== 200 || answer.error) {
      throw answer?.error ? answerError(status, answer.error) : otherAnswerError({ status, text }, this.#url);
    }
    return { count: answer.rowcount ?? 0, rows: answer.rows ?? [] };
  }

  async #post(body: string, timeoutMs: number): Promise<Response> {
    const headers = {
      "Content-Type": "application/json",
      "Default-Schema": this.#schema,
      Authorization: this.#authorization(),
    };
    try {
      return await this.#poster.post(this.#url, { headers, body, timeoutMs });
    } catch (cause) {
      throw requestError(this.#url, cause);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#poster[Symbol.dispose]();
    return Promise.resolve();
  }
}

/**
 * The server would answer with the whole statement.
 *
 * @throws SinkError for a text that its parser does not take
 */
function checkTexts(parameters: readonly Parameter[], max: number): void {
  for (const text of parameters.map(argument).flat()) {
    if (typeof text !== "string" || text.length <= max) continue;
    throw new SinkError(
      `A text of ${text.length} characters is longer than the ${max} that CrateDB takes. Over HTTP that is the limit for ` +
        "the JSON of a document, over the PostgreSQL wire (CRATEDB_URL) for each of its values.",
      { kind: "too large" },
    );
  }
}

/** @example IN: {user: "me", password: "s@fe"} → OUT: () => "Basic bWU6c0BmZQ=="; IN: {jwt: () => "e.f.g"} → OUT: () => "Bearer e.f.g" */
function authorizationOf({ user, password, jwt }: SinkAddress): () => string {
  if (jwt) return () => `Bearer ${jwt()}`;
  const credentials = new TextEncoder().encode(`${user}:${password}`);
  const basic = `Basic ${btoa(String.fromCharCode(...credentials))}`;
  return () => basic;
}

function answerError(status: number, { message, code }: Failure): SinkError {
  const isLogin = status === 401 && !NOT_LOGIN.includes(code);
  return new SinkError(message, { code: String(isLogin ? status : code) });
}

/** CrateDB tells in plain text why it refuses a login. Anything else is somebody else's answer. */
function otherAnswerError({ status, text }: Response, url: string): SinkError {
  const code = String(status);
  if (status === 401 && /^[^<{]/.test(text)) return new SinkError(text.trim(), { code });
  const message = `HTTP status ${status} from ${url}, which is not an answer of CrateDB`;
  const kind = sinkErrorKind(code, message);
  return new SinkError(message, { code, kind: kind === "refused" ? "foreign server" : kind });
}

/** The runtime's words before the reason for which a request failed. */
const REQUEST = /^error sending request(?: for url \([^)]*\))?: (?:client error \(Connect\): )?/;
const TLS_FAILURE =
  /^(?:invalid peer certificate|received (?:corrupt message|fatal alert|unexpected)|peer (?:misbehaved|is incompatible)|tls )/;

/** `fetch` has no codes, or has them in a cause. The reason is the message of the innermost error. */
function requestError(url: string, cause: unknown): SinkError {
  const innermost = innermostError(cause);
  const { code } = innermost as { code?: unknown };
  const reason = innermost.message.replace(REQUEST, "");
  const kind = typeof code === "string" ? sinkErrorKind(code, reason) : kindOfReason(reason);
  return new SinkError(`${url}: ${reason}`, {
    code: typeof code === "string" ? code : "ECONNECT",
    // Nothing was answered, so nothing was refused.
    kind: kind === "refused" ? "unreachable" : kind,
    cause,
  });
}

function kindOfReason(reason: string): SinkErrorKind {
  if (reason.startsWith("dns error")) return "unknown host";
  return TLS_FAILURE.test(reason) ? "tls" : "unreachable";
}

const innermostError = (error: unknown): Error =>
  error instanceof Error ? error.cause ? innermostError(error.cause) : error : new Error(String(error));

interface Failure {
  readonly message: string;
  readonly code: number;
}

interface Answer {
  readonly error?: Failure;
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

/**
 * @example
 * IN: ["a"] → OUT: ["a"]; IN: {json: ['{"n":1.0}', null]} → OUT: ['{"n":1.0}', null]
 *
 * Objects are sent as text. In real objects, CrateDB 6 changes arrays of mixed types.
 */
const argument = (parameter: Parameter) =>
  parameter !== null && typeof parameter === "object" && "json" in parameter ? parameter.json : parameter;
