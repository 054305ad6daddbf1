/**
 * CrateDB's HTTP endpoint, the one that the quick start publishes.
 *
 * @see https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html
 */
import { SinkError, sinkErrorKind } from "./sink_error.ts";
import { CRATEDB } from "./dialect.ts";
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
  readonly #headers: Record<string, string>;

  constructor({ host, port, user, password, tls, schema }: SinkAddress) {
    this.#url = `${tls ? "https" : "http"}://${host}:${port}/_sql`;
    const credentials = new TextEncoder().encode(`${user}:${password}`);
    this.#headers = {
      "Content-Type": "application/json",
      "Default-Schema": schema,
      Authorization: `Basic ${btoa(String.fromCharCode(...credentials))}`,
    };
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
    const body = JSON.stringify({ stmt: sql, args: parameters.map(argument) });
    const { status, text } = await this.#post(body, timeout);
    const answer = parse(text);
    if (!answer || status !== 200 || answer.error) {
      throw answerError(status, answer, this.#url);
    }
    return { count: answer.rowcount ?? 0, rows: answer.rows ?? [] };
  }

  async #post(body: string, timeout: number): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: this.#headers,
        body,
        signal: AbortSignal.timeout(timeout),
      });
      return { status: response.status, text: await response.text() };
    } catch (cause) {
      throw requestError(this.#url, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function answerError(status: number, answer: Answer | undefined, url: string): SinkError {
  const { message, code } = answer?.error ?? {};
  if (message === undefined) {
    const text = `HTTP status ${status} from ${url}, which is not an answer of CrateDB`;
    const kind = sinkErrorKind(String(status), text);
    return new SinkError(text, { code: String(status), kind: kind === "refused" ? "foreign server" : kind });
  }
  const isLogin = status === 401 && !NOT_LOGIN.includes(code ?? 0);
  return new SinkError(message, { code: String(isLogin ? status : code ?? status) });
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
  const kind = typeof code === "string"
    ? undefined
    : reason.startsWith("dns error")
    ? "unknown host"
    : TLS_FAILURE.test(reason)
    ? "tls"
    : "unreachable";
  return new SinkError(`${url}: ${reason}`, {
    code: typeof code === "string" ? code : "ECONNECT",
    kind,
    cause,
  });
}

const innermostError = (error: unknown): Error =>
  error instanceof Error ? error.cause ? innermostError(error.cause) : error : new Error(String(error));

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

/**
 * @example
 * IN: ["a"] → OUT: ["a"]; IN: {json: ['{"n":1.0}', null]} → OUT: ['{"n":1.0}', null]
 *
 * Objects are sent as text. In real objects, CrateDB 6 changes arrays of mixed types.
 */
const argument = (parameter: Parameter) =>
  parameter !== null && typeof parameter === "object" && "json" in parameter ? parameter.json : parameter;
