/** Opens the transport that an address names. */
import { HttpTransport } from "./http.ts";
import type { Transport } from "./transport.ts";
import type { SinkAddress } from "./url.ts";
import { WireTransport } from "./wire.ts";
import { treatAsStarting } from "./wrappers.ts";

/** @throws SinkError when the server cannot be reached */
export const openTransport = async (address: SinkAddress): Promise<Transport> =>
  treatAsStarting(await OPEN[address.transport](address));

const OPEN: Readonly<Record<SinkAddress["transport"], (address: SinkAddress) => Promise<Transport>>> = {
  http: (address) => HttpTransport.open(address),
  wire: (address) => WireTransport.open(address),
};
