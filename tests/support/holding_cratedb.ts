/**
 * An HTTP proxy before CrateDB that holds back statements until `release()`. CrateDB never receives what is still held
 * when the proxy is disposed of.
 */
export interface HoldingCratedb extends AsyncDisposable {
  /** Of the proxy, with everything else as in the URL of the server. */
  readonly url: string;
  /**
   * From now on, holds statements that match. Resolves when the first of them has arrived.
   *
   * @throws {Error} when none arrives within a minute
   */
  hold(statement: RegExp): Promise<void>;
  /** Passes on what it holds, and everything after that. */
  release(): void;
}

/** @param schema the test's own, which CrateDB keeps for a connection that `sql` may use next */
export function holdingCratedb(
  { httpUrl, schema }: { readonly httpUrl: string; readonly schema: string },
): HoldingCratedb {
  const { host } = new URL(httpUrl);
  let held: RegExp | undefined;
  let isClosed = false;
  let [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const [body, headers] = [await request.text(), new Headers(request.headers)];
    headers.delete("host");
    headers.set("Default-Schema", schema);
    if (held?.test(body)) {
      arrived.resolve();
      await released.promise;
      if (isClosed) return new Response(null, { status: 503 });
    }
    try {
      const answer = await fetch(`http://${host}/_sql`, { method: "POST", body, headers });
      return new Response(await answer.text(), { status: answer.status });
    } catch {
      return new Response(null, { status: 502 });
    }
  });
  const release = () => {
    held = undefined;
    released.resolve();
  };
  return {
    url: httpUrl.replace(host, `127.0.0.1:${proxy.addr.port}`),
    hold(statement) {
      [arrived, released] = [Promise.withResolvers(), Promise.withResolvers()];
      held = statement;
      const late = setTimeout(() => arrived.reject(new Error(`No statement like ${statement}`)), 60_000);
      return arrived.promise.finally(() => clearTimeout(late));
    },
    release,
    async [Symbol.asyncDispose]() {
      isClosed = true;
      release();
      await proxy.shutdown();
    },
  };
}
