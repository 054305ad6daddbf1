import assert from "node:assert/strict";
import { observers } from "../../../lib/pipeline/observer.ts";
import { CausalReader } from "../../../lib/source/causal_reader.ts";
import { changeStream } from "../../../lib/source/change_stream.ts";
import { Deployment, pinnedUrl } from "../../../lib/source/deployment.ts";
import { Scope } from "../../../lib/source/scope.ts";
import { FeatureTrial } from "../../../lib/source/stream_features.ts";
import { OutageTracker } from "../../../lib/util/outage.ts";
import { Shutdown } from "../../../lib/util/shutdown.ts";
import { FakeBalancer, FakeMongos } from "../../support/fake_mongos.ts";

const PINNED = [
  ["mongodb://a,b/?w=1", undefined, "mongodb://b:27017/?w=1"],
  [
    "mongodb://u:p%40@a:1,b:2/shop?tls=true",
    "admin",
    "mongodb://u:p%40@b:27017/shop?tls=true&authSource=admin",
  ],
  ["mongodb://u:p@a/?authsource=x", "x", "mongodb://u:p@b:27017/?authsource=x"],
  ["mongodb+srv://u:p@shop.example.net/", "admin", "mongodb://u:p@b:27017/?tls=true&authSource=admin"],
  ["mongodb+srv://shop.example.net/?tls=false&srvMaxHosts=2", undefined, "mongodb://b:27017/?tls=false"],
] as const;

for (const [url, authSource, expected] of PINNED) {
  Deno.test(`pinnedUrl() makes the URL of one server of ${url}`, () => {
    assert.equal(pinnedUrl(url, "b:27017", authSource), expected);
  });
}

const urlOf = (...servers: readonly { readonly address: string }[]) =>
  `mongodb://${servers.map(({ address }) => address).join()}/?localThresholdMS=1000`;

const quiet = () => new OutageTracker({ system: "MongoDB", observer: observers() });

const streamOf = (deployment: Deployment, { signal }: AbortController) =>
  changeStream({
    route: deployment.route(),
    scope: new Scope({ databases: ["shop"], collections: ["orders"], exclude: [] }),
    features: new FeatureTrial(() => {}),
    fullDocument: "updateLookup",
    startAfter: null,
    batchSize: 10,
    retryFor: 60_000,
    signal,
    outages: quiet(),
  });

const readerOf = (deployment: Deployment) =>
  new CausalReader(deployment.route(), {
    retryFor: 60_000,
    shutdown: new Shutdown(new AbortController().signal),
    outages: quiet(),
  });

const ORDERS = { database: "shop", collection: "orders" };
const BATCHES = 40;

const count = (servers: readonly FakeMongos[], command: string) =>
  servers.flatMap(({ commands }) => commands).filter((each) => each === command).length;

interface Routers {
  readonly servers: readonly [FakeMongos, FakeMongos];
  readonly deployment: Deployment;
}

/** How two mongos are reached. */
const WAYS: Readonly<Record<string, (routers: AsyncDisposableStack) => Promise<Routers>>> = {
  "two mongos in the URL": async (stack) => {
    const servers = [stack.use(await FakeMongos.start()), stack.use(await FakeMongos.start())] as const;
    return { servers, deployment: stack.use(await Deployment.connect(urlOf(...servers))) };
  },
  "two mongos behind one name": async (stack) => {
    const servers = [stack.use(await FakeMongos.start()), stack.use(await FakeMongos.start())] as const;
    const balancer = stack.use(await FakeBalancer.start(servers));
    return { servers, deployment: stack.use(await Deployment.connect(urlOf(balancer))) };
  },
};

for (const [way, start] of Object.entries(WAYS)) {
  Deno.test(`changeStream() reads on where its cursor is, with ${way}`, async () => {
    await using stack = new AsyncDisposableStack();
    const { servers, deployment } = await start(stack);
    const stream = streamOf(deployment, new AbortController());
    for (let batch = 0; batch < BATCHES; batch++) await stream.next();
    await stream.return(undefined);
    assert.equal(count(servers, "aggregate"), 1);
    assert.equal(count(servers, "getMore"), BATCHES - 1);
    assert.deepEqual(servers.map(({ astray, cursors }) => ({ astray, cursors })), [
      { astray: 0, cursors: 0 },
      { astray: 0, cursors: 0 },
    ]);
  });

  Deno.test(`CausalReader closes cursors where they are, with ${way}`, async () => {
    await using stack = new AsyncDisposableStack();
    const { servers, deployment } = await start(stack);
    const reader = stack.use(readerOf(deployment));
    await Promise.all(Array.from({ length: 20 }, () => reader.page(ORDERS, { find: "orders" })));
    assert.equal(count(servers, "killCursors"), 20);
    assert.deepEqual(servers.map(({ astray, cursors }) => ({ astray, cursors })), [
      { astray: 0, cursors: 0 },
      { astray: 0, cursors: 0 },
    ]);
  });
}

/** What reads, and the command that it begins with. */
const READS: Readonly<
  Record<string, (deployment: Deployment, stack: AsyncDisposableStack) => () => Promise<unknown>>
> = {
  aggregate: (deployment, stack) => {
    const stream = stack.adopt(
      streamOf(deployment, new AbortController()),
      async (open) => void await open.return(undefined),
    );
    return () => stream.next();
  },
  find: (deployment, stack) => {
    const reader = stack.use(readerOf(deployment));
    return () => reader.page(ORDERS, { find: "orders" });
  },
};

for (const [command, start] of Object.entries(READS)) {
  Deno.test(`a read that begins with ${command} goes on at another mongos when its own is gone`, async () => {
    await using stack = new AsyncDisposableStack();
    const servers = [stack.use(await FakeMongos.start()), stack.use(await FakeMongos.start())];
    const deployment = stack.use(await Deployment.connect(urlOf(...servers)));
    const read = start(deployment, stack);
    await read();
    const [used, other] = servers.sort(({ commands }) => commands.includes(command) ? -1 : 1);
    await used?.[Symbol.asyncDispose]();
    await read();
    assert.ok(other?.commands.includes(command));
  });
}
