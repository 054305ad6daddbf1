export interface ListenAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

const MAX_PORT = 65_535;

/**
 * @example
 * IN: 127.0.0.1:9464 → OUT: {host: "127.0.0.1", port: 9464}
 * IN: [::1]:9464 → OUT: {host: "::1", port: 9464}
 *
 * @throws RangeError, whose message follows the name of the option
 */
export function parseListenAddress(text: string): ListenAddress {
  const [, ipv6, name, port] = /^(?:\[([\da-f:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = ipv6 ?? name;
  if (host === undefined || Number(port) > MAX_PORT) {
    throw new RangeError("is not an address such as 127.0.0.1:9464 or [::1]:9464");
  }
  return { host, port: Number(port) };
}
