/** The sink's URL: `crate://` as in the SQLAlchemy dialect, or `postgresql://` for the PostgreSQL wire. */
import { UsageError } from "../../util/errors.ts";
import { maskUrl } from "../../util/mask_url.ts";

export interface SinkAddress {
  readonly transport: "http" | "wire";
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly tls: boolean;
  /** The default schema. */
  readonly schema: string;
}

interface Scheme {
  readonly transport: SinkAddress["transport"];
  readonly port: number;
  readonly tls: boolean;
}

const SCHEMES: Readonly<Record<string, Scheme>> = {
  crate: { transport: "http", port: 4200, tls: false },
  http: { transport: "http", port: 4200, tls: false },
  https: { transport: "http", port: 4200, tls: true },
  postgresql: { transport: "wire", port: 5432, tls: false },
  postgres: { transport: "wire", port: 5432, tls: false },
};

const TRUE = ["true", "t", "yes", "y", "on", "1"];
const FALSE = ["false", "f", "no", "n", "off", "0", ""];
const PLAIN_MODES = ["disable"];
const TLS_MODES = ["allow", "prefer", "require", "verify-ca", "verify-full"];

const PARAMETERS = ["ssl", "sslmode", "schema"];
/** Parameters of other programs that have no effect here. */
const OTHERS = [
  "application_name",
  "channel_binding",
  "connect_timeout",
  "error_trace",
  "pool_size",
  "timeout",
];

const FORM = "It looks like crate://[user:password@]host[:4200][/?ssl=true&schema=doc] or " +
  "postgresql://crate@host:5432/doc ; percent-encode : / ? # @ in passwords. Of several servers, name one, or a load balancer.";

/**
 * @example
 * IN: crate:// → OUT: {transport: "http", host: "localhost", port: 4200, user: "crate", schema: "doc", …}
 * IN: crate://me:s%40fe@db.example.org/?ssl=true → OUT: {…, user: "me", password: "s@fe", port: 4200, tls: true}
 *
 * @throws UsageError for a URL that is not of this form
 */
export function parseSinkUrl(text: string): SinkAddress {
  const wrong = (why: string) => new UsageError(`The CrateDB URL ${why}: ${maskUrl(text)}`, { hint: FORM });
  const match = /^([a-z]+)(?:\+[a-z0-9]+)?:\/\/(.*)$/s.exec(text);
  const scheme = SCHEMES[match?.[1] ?? ""];
  if (!match || !scheme) throw wrong("must start with crate:// or postgresql://");
  const rest = (match[2] ?? "").replace(/^(?=[/?:]|$)|(?<=@)(?=[/?:]|$)/, "localhost");
  if (!URL.canParse(`http://${rest}`)) throw wrong("is malformed");
  const url = new URL(`http://${rest}`);
  const decoded = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  };
  const query = (name: string): string | undefined => url.searchParams.get(name)?.toLowerCase();
  const ssl = query("ssl") ?? "";
  const mode = query("sslmode");
  if (![...TRUE, ...FALSE].includes(ssl)) throw wrong(`has ssl=${ssl}, which is neither true nor false`);
  if (mode !== undefined && ![...PLAIN_MODES, ...TLS_MODES].includes(mode)) {
    throw wrong(`has sslmode=${mode}, which is none of ${[...PLAIN_MODES, ...TLS_MODES].join(", ")}`);
  }
  const unknown = [...url.searchParams.keys()].find((name) => ![...PARAMETERS, ...OTHERS].includes(name));
  if (unknown !== undefined) {
    throw wrong(`has a parameter that means nothing here, ${unknown} (only ${PARAMETERS.join(", ")} do)`);
  }
  // `_sql` is CrateDB's endpoint, not a schema.
  const path = decoded(url.pathname.slice(1)).replace(/^_sql$/, "");
  return Object.freeze({
    transport: scheme.transport,
    // A socket takes an IPv6 address without the brackets of a URL.
    host: scheme.transport === "wire" ? url.hostname.replace(/^\[|\]$/g, "") : url.hostname,
    port: url.port === "" ? (/:80(?:[/?]|$)/.test(rest) ? 80 : scheme.port) : Number(url.port),
    user: decoded(url.username) || "crate",
    password: decoded(url.password),
    tls: mode === undefined ? scheme.tls || TRUE.includes(ssl) : TLS_MODES.includes(mode),
    schema: url.searchParams.get("schema") || path || "doc",
  });
}
