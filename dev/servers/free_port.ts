/** Returns a free TCP port. A fixed port keeps the address of a server that is restarted. */
export function freePort(): number {
  using listener = Deno.listen({ port: 0 });
  return listener.addr.port;
}
