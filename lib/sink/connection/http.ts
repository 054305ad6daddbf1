/** CrateDB's HTTP endpoint. See https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html */
import { Buffer } from "node:buffer";
import process from "node:process";
import { joined } from "../../bson/build.ts";
import { jsonOfBytes } from "../../util/json_writer.ts";
import { SinkError, sinkErrorKind } from "./sink_error.ts";
import { CRATEDB } from "../sql/dialect.ts";
import { Poster, proxyTo, type Response } from "./post.ts";
import {
  type JsonArray,
  type Parameter,
  type Query,
  type Result,
  STATEMENT_LIMIT_MS,
  type Transport,
  type Values,
} from "./transport.ts";
import type { SinkAddress } from "./url.ts";

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

  async query(
    ...[sql, parameters = [], { limitMs = STATEMENT_LIMIT_MS, forEach = false } = {}]: Parameters<Query>
  ): Promise<Result> {
    checkTexts(parameters, this.dialect.maxText);
    const headers = { "Content-Type": "application/json", Authorization: this.#authorization() };
    const body = requestBody(sql, parameters, { forEach });
    const response = await this.#poster.post({ headers, body, limitMs })
      .catch((cause) => Promise.reject(requestError(this.#server, cause)));
    const answer = parse(response.text);
    if (answer?.error) throw answerError(response.status, answer.error);
    if (!answer || response.status !== 200) throw otherAnswerError(response, this.#server);
    const { rowcount = 0, rows = [], results } = answer;
    return { count: rowcount, rows, ...results && { errors: errorsOf(results) } };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#poster[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** Refuses a text that CrateDB's parser would refuse with the whole statement in its answer. */
function checkTexts(parameters: Values, max: number): void {
  for (const parameter of parameters) {
    for (const text of isJson(parameter) ? parameter.json : [parameter].flat()) {
      const length = lengthOf(text, max);
      if (length <= max) continue;
      throw new SinkError(
        `A text of ${length} characters is longer than the ${max} that CrateDB takes. Over HTTP that is the limit for ` +
          "the JSON of a document, over the PostgreSQL wire (postgresql://) for each of its values.",
        { kind: "too large" },
      );
    }
  }
}

/** The characters of a text, in units of UTF-16; of JSON with fewer bytes than `max`, only a bound. */
function lengthOf(text: string | number | Uint8Array | null, max: number): number {
  if (text === null || typeof text === "number") return 0;
  return typeof text === "string" || text.length <= max ? text.length : jsonOfBytes(text).length;
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

const errorsOf = (results: NonNullable<Answer["results"]>): NonNullable<Result["errors"]> =>
  results.map(({ rowcount, error }) => rowcount === 1 ? null : error && answerError(200, error));

interface Answer {
  readonly error?: { readonly message: string; readonly code: number };
  readonly rowcount?: number;
  readonly rows?: readonly (readonly unknown[])[];
  readonly results?: readonly Pick<Answer, "error" | "rowcount">[];
}

/** Undefined for an answer of another server or a proxy: statements that it has not run must not count as done. */
function parse(text: string): Answer | undefined {
  try {
    const answer = JSON.parse(text);
    return isAnswer(answer) ? answer : undefined;
  } catch {
    return undefined;
  }
}

const isAnswer = (value: Partial<Answer> | null): boolean =>
  typeof value?.error?.code === "number" || Array.isArray(value?.results) ||
  Array.isArray(value?.rows) && typeof value.rowcount === "number";

const isJson = (parameter: Parameter): parameter is JsonArray =>
  parameter !== null && typeof parameter === "object" && "json" in parameter;

/**
 * Objects are sent as text. In real objects, CrateDB 6 changes arrays of mixed types.
 *
 * @example
 * IN: "SELECT $1", [{json: [{"n":1}, null]}] → OUT: {"stmt":"SELECT $1","args":[["{\"n\":1}",null]]}
 * IN: the same, {forEach: true} → OUT: {"stmt":"SELECT $1","bulk_args":[[["{\"n\":1}"]],[[null]]]}
 */
export function requestBody(
  sql: string,
  parameters: Values,
  { forEach = false }: { readonly forEach?: boolean } = {},
): Uint8Array {
  const stmt = Buffer.from(JSON.stringify(sql));
  if (!forEach) return joined([PART.start, stmt, PART.args, ...listOf(parameters), PART.end]);
  const comma = (at: number) => at > 0 ? [PART.comma] : [];
  const items = transposed(parameters).flatMap((each, at) => [...comma(at), ...listOf(each)]);
  return joined([PART.start, stmt, PART.bulkArgs, PART.open, ...items, PART.close, PART.end]);
}

/** @example IN: [["k", "l"], {json: [{"n":1}, {}]}] → OUT: [["k"], {json: [{"n":1}]}], [["l"], {json: [{}]}] */
function transposed(lists: Values): Parameter[][] {
  const [first] = lists;
  if (!Array.isArray(first)) {
    throw new TypeError("forEach needs parameters that are lists, the first one of texts");
  }
  return first.map((_, at) =>
    lists.map((list) =>
      isJson(list) ? { json: list.json.slice(at, at + 1) } : (list as string[]).slice(at, at + 1)
    )
  );
}

function listOf(parameters: Values): Uint8Array[] {
  const parts: Uint8Array[] = [PART.open];
  for (const [at, parameter] of parameters.entries()) {
    if (at > 0) parts.push(PART.comma);
    if (!isJson(parameter)) {
      parts.push(Buffer.from(JSON.stringify(parameter)));
      continue;
    }
    parts.push(PART.open);
    for (const [at, item] of parameter.json.entries()) {
      if (at > 0) parts.push(PART.comma);
      if (item) parts.push(PART.quote, item, PART.quote);
      else parts.push(PART.null);
    }
    parts.push(PART.close);
  }
  parts.push(PART.close);
  return parts;
}

const PART = {
  start: Buffer.from('{"stmt":'),
  args: Buffer.from(',"args":'),
  bulkArgs: Buffer.from(',"bulk_args":'),
  comma: Buffer.from(","),
  open: Buffer.from("["),
  quote: Buffer.from('"'),
  null: Buffer.from("null"),
  close: Buffer.from("]"),
  end: Buffer.from("}"),
} as const;
