/** Opens the transport of an address. */
import type { LogFields, Logger } from "../../util/log.ts";
import { CRATEDB, type Dialect, POSTGRESQL } from "../sql/dialect.ts";
import { HttpTransport } from "./http.ts";
import { openNodes } from "./nodes.ts";
import { isBefore, readVersion } from "./server_version.ts";
import type { Transport } from "./transport.ts";
import { nodesOf, nodeText, type SinkAddress } from "./url.ts";
import { WireTransport } from "./wire.ts";
import { treatAsPassing } from "./wrappers.ts";

/** Limit of the first statement, which asks for the version. */
const CONNECT_LIMIT_MS = 15_000;

/** @throws SinkError if no server can be reached, or it refuses the user */
export async function openTransport(
  address: SinkAddress,
  context?: { readonly log?: Logger },
): Promise<Transport> {
  const Kind = address.transport === "http" ? HttpTransport : WireTransport;
  const make = (node: SinkAddress) => new Kind(node);
  await using opening = new AsyncDisposableStack();
  const transport = opening.use(address.others ? await openNodes(address, make, context) : make(address));
  const dialect = await dialectOf(transport, address);
  opening.move();
  return { ...treatAsPassing(transport), dialect };
}

export async function dialectOf(
  transport: Pick<Transport, "query">,
  address: Pick<SinkAddress, "transport">,
): Promise<Dialect> {
  const version = await readVersion(transport, { limitMs: CONNECT_LIMIT_MS });
  if (/^PostgreSQL\b/.test(version)) return POSTGRESQL;
  const hasRowErrors = version.startsWith("CrateDB ") && !isBefore(version, "5.10");
  return { ...CRATEDB, rowErrors: address.transport === "http" && hasRowErrors };
}

/** @example IN: crate://me:secret@localhost:4200 → OUT: {address: "http://localhost:4200", version: "5.7.6"} */
export async function sinkDescription(
  transport: Pick<Transport, "query">,
  address: SinkAddress,
): Promise<LogFields> {
  const version = await readVersion(transport);
  const scheme = address.transport === "wire" ? "postgresql" : address.tls ? "https" : "http";
  const hosts = nodesOf(address).map(nodeText).join();
  return { address: `${scheme}://${hosts}`, version: /\d+(?:\.\d+)+/.exec(version)?.[0] };
}
