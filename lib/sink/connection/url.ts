/** The sink's URL: `crate://` as in the SQLAlchemy dialect, or `postgresql://` for the PostgreSQL wire. */
import { UsageError } from "../../util/errors.ts";
import { maskUrl } from "../../util/mask_url.ts";

export interface SinkAddress {
  readonly transport: "http" | "wire";
  readonly host: string;
  readonly port: number;
  /** Further nodes of the cluster, which take over when the first one does not answer. */
  readonly others?: readonly Node[];
  readonly user: string;
  readonly password: string;
  /** Reads the current password from a file that may be replaced. */
  readonly latestPassword?: (() => string) | undefined;
  readonly tls: boolean;
  readonly schema: string;
  /** Reads the current JSON Web Token, which replaces a password. */
  readonly jwt?: (() => string) | undefined;
  readonly certificates?: Certificates | undefined;
}

/** The same text for addresses with the same server and login. */
export const addressKey = (address: SinkAddress): string =>
  JSON.stringify({ ...address, jwt: address.jwt?.() });

type Node = Pick<SinkAddress, "host" | "port">;

/** The authority that has signed the server's certificate, and the client's certificate and key, as PEM. */
export type Certificates = { readonly [name in "ca" | "cert" | "key"]?: string | undefined };

type Scheme = Pick<SinkAddress, "transport" | "port" | "tls">;

const HTTP: Scheme = { transport: "http", port: 4200, tls: false };
const WIRE: Scheme = { transport: "wire", port: 5432, tls: false };

const named = (scheme: Scheme, names: string) => names.split(" ").map((name) => [name, scheme] as const);

/** The names of schemes, with the drivers of SQLAlchemy's URLs after a `+`. */
const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ...named(HTTP, "crate crate+urllib3 http"),
  ...named({ ...HTTP, tls: true }, "https"),
  ...named(WIRE, "crate+asyncpg crate+psycopg crate+psycopg_async postgres postgresql postgresql+asyncpg"),
  ...named(WIRE, "postgresql+pg8000 postgresql+psycopg postgresql+psycopg2 postgresql+psycopg_async"),
]);

const TRUE = ["true", "t", "yes", "y", "on", "1"];
const FALSE = ["false", "f", "no", "n", "off", "0", ""];
const TLS_MODES = ["allow", "prefer", "require", "verify-ca", "verify-full"];
const MODES = ["disable", ...TLS_MODES];

const PARAMETERS = ["ssl", "sslmode", "schema"];
/** Parameters of other programs, which have no effect here. */
const OTHERS = "application_name channel_binding connect_timeout error_trace pool_size timeout".split(" ");

/** The parser of URLs drops tabs and line breaks, and ends the host at `/ ? # \`, so that a part of the password is lost. */
const MISREAD = /[\t\r\n/?#\\].*@/s;

const FORM = "It looks like crate://[user:password@]host[:4200][/?ssl=true&schema=doc] or " +
  "postgresql://crate@host:5432/doc ; percent-encode : / ? # @ % in passwords (% is %25). Several nodes of a cluster are crate://a:4200,b:4200.";

/** The address of each node. @example IN: crate://a,b → OUT: [crate://a, crate://b] */
export const nodesOf = ({ others = [], ...first }: SinkAddress): readonly SinkAddress[] =>
  [first, ...others].map((node) => ({ ...first, ...node }));

/** @example IN: crate://me:pw@a → OUT: a:4200 */
export const nodeText = ({ host, port }: Node): string => `${host}:${port}`;

/** @example IN: crate://me:s%40fe@db/?ssl=true → OUT: {…, host: "db", port: 4200, user: "me", password: "s@fe", tls: true} */
export function parseSinkUrl(text: string): SinkAddress {
  const wrong = (why: string) => new UsageError(`The CrateDB URL ${why}: ${maskUrl(text)}`, { hint: FORM });
  const [, start = "", afterScheme = ""] = /^([a-z0-9+_-]+):\/\/(.*)$/is.exec(text) ?? [];
  const scheme = SCHEMES.get(start.toLowerCase());
  if (!scheme) throw wrong(wrongStart(start));
  if (!isDecodable(afterScheme)) throw wrong("has a % that encodes nothing");
  const [, login = "", names = "", rest = ""] = /^(.*@)?([^/?#]*)(.*)$/s.exec(afterScheme) ?? [];
  const [first = "", ...others] = names.replace(/^(?=:|$)/, "localhost").split(",");
  const isHost = (host: string) => host !== "" && URL.canParse(`http://${login}${host}${rest}`);
  if (MISREAD.test(afterScheme) || ![first, ...others].every(isHost)) throw wrong("is malformed");
  const url = new URL(`http://${login}${first}${rest}`);
  const query = (name: string): string | undefined => url.searchParams.get(name)?.toLowerCase();
  const ssl = query("ssl") ?? "";
  const mode = query("sslmode");
  if (![...TRUE, ...FALSE].includes(ssl)) throw wrong(`has ssl=${ssl}, which is neither true nor false`);
  if (mode !== undefined && !MODES.includes(mode)) {
    throw wrong(`has sslmode=${mode}, which is none of ${MODES.join(", ")}`);
  }
  const unknown = [...url.searchParams.keys()].find((name) => ![...PARAMETERS, ...OTHERS].includes(name));
  if (unknown !== undefined) {
    throw wrong(`has the unknown parameter ${unknown} (known: ${PARAMETERS.join(", ")})`);
  }
  // `_sql` is CrateDB's endpoint, not a schema.
  const path = decodeURIComponent(url.pathname.slice(1)).replace(/^_sql$/, "");
  return Object.freeze({
    transport: scheme.transport,
    ...nodeIn(first, scheme),
    ...others.length > 0 && { others: others.map((host) => nodeIn(host, scheme)) },
    user: decodeURIComponent(url.username) || "crate",
    password: decodeURIComponent(url.password),
    tls: mode === undefined ? scheme.tls || TRUE.includes(ssl) : TLS_MODES.includes(mode),
    schema: url.searchParams.get("schema") || path || "doc",
  });
}

/** @example IN: db:4201 → OUT: {host: "db", port: 4201} */
function nodeIn(text: string, scheme: Scheme): Node {
  const { hostname, port } = new URL(`http://${text}`);
  return {
    // A socket takes an IPv6 address without the brackets of a URL.
    host: scheme.transport === "wire" ? hostname.replace(/^\[|\]$/g, "") : hostname,
    port: port === "" ? (text.endsWith(":80") ? 80 : scheme.port) : Number(port),
  };
}

/** @example IN: 50%25off → OUT: true; IN: 50%off → OUT: false */
function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** @example IN: crate+https → OUT: has the unknown driver https (known: crate, crate+urllib3, …) */
function wrongStart(start: string): string {
  const [name = "", driver] = start.toLowerCase().split("+");
  if (driver === undefined || !SCHEMES.has(name)) return "must start with crate:// or postgresql://";
  const drivers = [...SCHEMES.keys()].filter((each) => each.startsWith(`${name}+`));
  return `has the unknown driver ${driver} (known: ${[name, ...drivers].join(", ")})`;
}
