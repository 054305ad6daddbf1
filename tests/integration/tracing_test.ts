import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { eventually } from "../../dev/servers/eventually.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly doubleValue?: number } }[];
}

/** OTLP's JSON. */
interface Traces {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly Span[];
    }[];
  }[];
}

/** A collector of OpenTelemetry, which keeps the spans of each scope. */
async function startCollector() {
  const spans: (Span & { readonly scope: string })[] = [];
  const server = createServer(async (request, response) => {
    const { resourceSpans = [] } = await json(request) as Traces;
    for (const { scope, spans: own } of resourceSpans.flatMap(({ scopeSpans }) => scopeSpans)) {
      spans.push(...own.map((span) => ({ ...span, scope: scope.name })));
    }
    response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return {
    spans,
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

cratedbTest(
  "cdc-relay with OTEL_DENO=true exports a span of each batch, with its stages",
  async (context) => {
    const { mongodb, database, relay } = context;
    await using collector = await startCollector();
    const data = mongodb.db(database).collection<{ _id: number }>("data");
    await data.insertOne({ _id: 0 });
    const running = relay([], {
      env: {
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      },
    });
    await running.waitForLine(/Ready/);
    await data.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    await eventually(async () => assert.equal(await countRows(context), 4));
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));

    const own = collector.spans.filter(({ scope }) => scope === "cdc-relay");
    const batches = own.filter(({ name }) => name === "batch");
    const valueOf = ({ attributes }: Span, wanted: string) =>
      attributes.find(({ key }) => key === wanted)?.value.doubleValue ?? 0;
    const events = batches.reduce((sum, batch) => sum + valueOf(batch, "cdc.events"), 0);
    assert.equal(events, 3);
    const [batch] = batches;
    assert.ok(batch && valueOf(batch, "cdc.bytes") > 0);
    const within = ({ spanId }: Span) => own.filter(({ parentSpanId }) => parentSpanId === spanId);
    const stages = within(batch);
    assert.deepEqual(stages.map(({ name }) => name), ["split", "write"]);
    for (const { traceId, startTimeUnixNano, endTimeUnixNano } of stages) {
      assert.equal(traceId, batch.traceId);
      assert.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano));
    }
    const checkpoints = own.filter(({ name }) => name === "checkpoint").flatMap(within).map(({ name }) =>
      name
    );
    assert.ok(checkpoints.includes("refresh") && checkpoints.includes("save"), checkpoints.join(", "));
    const requests = collector.spans.filter(({ scope, parentSpanId }) =>
      scope === "deno" && parentSpanId === batch.spanId
    );
    assert.ok(requests.length > 0, "the requests to CrateDB are within the batch");
  },
  { ownProcess: true },
);
