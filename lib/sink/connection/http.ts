/**
 * CrateDB's HTTP endpoint, the one that the quick start publishes.
 *
 * @see https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html
 */
import { SinkError } from "./sink_error.ts";
import { CRATEDB } from "./dialect.ts";
import type { Parameter, Result, Transport } from "./transport.ts";
import type { SinkAddress } from "./url.ts";

/** How long a statement may take, in milliseconds. */
const STATEMENT_TIMEOUT = 120_000;
/** The same of the first, which only asks whether there is a CrateDB. */
const CONNECT_TIMEOUT = 10_000;

/** CrateDB answers status 401 to this too, though user and password are right. */
const MISSING_PRIVILEGE = 4011;

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
    await transport.#query("SELECT 1", [], CONNECT_TIMEOUT);
    return transport;
  }

  query(sql: string, parameters: readonly Parameter[] = []): Promise<Result> {
    return this.#query(sql, parameters, STATEMENT_TIMEOUT);
  }

  async #query(sql: string, parameters: readonly Parameter[], timeout: number): Promise<Result> {
    const body = `{"stmt":${JSON.stringify(sql)},"args":[${parameters.map(argument).join(",")}]}`;
    const { status, text } = await this.#post(body, timeout);
    const answer = parse(text);
    if (!answer || status !== 200 || answer.error) {
      const { message, code } = answer?.error ?? {};
      const refused = status === 401 && code !== MISSING_PRIVILEGE;
      throw new SinkError(
        message ?? `HTTP status ${status} from ${this.#url}, which is not an answer of CrateDB`,
        {
          code: String(refused ? status : code ?? status),
        },
      );
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
      throw new SinkError(`${this.#url}: ${innermostMessage(cause)}`, { code: "ECONNECT", cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** `fetch failed` says nothing; its cause does. */
const innermostMessage = (error: unknown): string =>
  error instanceof Error ? error.cause ? innermostMessage(error.cause) : error.message : String(error);

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
 * IN: ["a"] → OUT: ["a"]; IN: {json: ['{"n":1.0}', null]} → OUT: ["{\"n\":1.0}",null]
 *
 * Objects go as text: of objects as such, CrateDB 6 changes arrays of mixed types.
 */
function argument(parameter: Parameter): string {
  const isJson = parameter !== null && typeof parameter === "object" && "json" in parameter;
  return JSON.stringify(isJson ? parameter.json : parameter);
}
