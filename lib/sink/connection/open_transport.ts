/** Opens the transport that an address names. */
import { HttpTransport } from "./http.ts";
import type { Transport } from "./transport.ts";
import type { SinkAddress } from "./url.ts";
import { WireTransport } from "./wire.ts";
import { treatAsPassing } from "./wrappers.ts";

/** @throws SinkError when the server cannot be reached */
export const openTransport = async (address: SinkAddress): Promise<Transport> =>
  treatAsPassing(
    address.transport === "http" ? await HttpTransport.open(address) : await WireTransport.open(address),
  );
