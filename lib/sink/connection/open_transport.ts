/** Opens the transport of an address. */
import type { LogFields } from "../../util/log.ts";
import { HttpTransport } from "./http.ts";
import type { Transport } from "./transport.ts";
import type { SinkAddress } from "./url.ts";
import { WireTransport } from "./wire.ts";
import { treatAsPassing } from "./wrappers.ts";

/** @throws SinkError if the server cannot be reached */
export const openTransport = async (address: SinkAddress): Promise<Transport> =>
  treatAsPassing(
    address.transport === "http" ? await HttpTransport.open(address) : await WireTransport.open(address),
  );

/** @example IN: crate://me:secret@localhost:4200 → OUT: {address: "http://localhost:4200", version: "5.7.6"} */
export async function sinkDescription(
  transport: Pick<Transport, "query">,
  { transport: kind, host, port, tls }: SinkAddress,
): Promise<LogFields> {
  const { rows: [[version] = []] } = await transport.query("SELECT version()");
  const scheme = kind === "wire" ? "postgresql" : tls ? "https" : "http";
  return { address: `${scheme}://${host}:${port}`, version: /\d+(?:\.\d+)+/.exec(String(version))?.[0] };
}
