/** A TCP port that nothing listens on. Fixed ports keep a server's address the same when it is restarted. */
export function freePort(): number {
  using listener = Deno.listen({ port: 0 });
  return listener.addr.port;
}
