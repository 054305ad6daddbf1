/** Opens the transport of an address. */
import type { LogFields, Logger } from "../../util/log.ts";
import { HttpTransport } from "./http.ts";
import { atAnyNode, openNodes } from "./nodes.ts";
import { type Transport, wrapped } from "./transport.ts";
import { nodesOf, nodeText, type SinkAddress } from "./url.ts";
import { WireTransport } from "./wire.ts";
import { treatAsPassing } from "./wrappers.ts";

/** @throws SinkError if no server can be reached */
export async function openTransport(
  address: SinkAddress,
  context?: { readonly log?: Logger },
): Promise<Transport> {
  const Kind = address.transport === "http" ? HttpTransport : WireTransport;
  if (!address.others) return treatAsPassing(await Kind.open(address));
  const transport = treatAsPassing(await openNodes(address, (node) => new Kind(node), context));
  // A write whose answer was lost may still be running.
  return wrapped(transport, (...statement) => {
    const send = () => transport.query(...statement);
    return /^SELECT\b/.test(statement[0]) ? atAnyNode(send) : send();
  });
}

/** @example IN: crate://me:secret@localhost:4200 → OUT: {address: "http://localhost:4200", version: "5.7.6"} */
export async function sinkDescription(
  transport: Pick<Transport, "query">,
  address: SinkAddress,
): Promise<LogFields> {
  const { rows: [[version] = []] } = await transport.query("SELECT version()");
  const scheme = address.transport === "wire" ? "postgresql" : address.tls ? "https" : "http";
  const hosts = nodesOf(address).map(nodeText).join();
  return { address: `${scheme}://${hosts}`, version: /\d+(?:\.\d+)+/.exec(String(version))?.[0] };
}
