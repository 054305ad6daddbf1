/** A server that speaks the PostgreSQL wire just enough to turn clients away with an error of the test's choosing. */
export function refusingPostgresql(code: string, message: string): Disposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const fields = `SFATAL\0VFATAL\0C${code}\0M${message}\0\0`;
  const answer = new Uint8Array(5 + fields.length);
  answer.set(new TextEncoder().encode("E"));
  new DataView(answer.buffer).setInt32(1, 4 + fields.length);
  answer.set(new TextEncoder().encode(fields), 5);
  (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(1_024));
      await connection.write(answer);
      connection.close();
    }
  })();
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}
