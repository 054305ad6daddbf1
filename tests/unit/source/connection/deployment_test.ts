import assert from "node:assert/strict";
import { CausalReader } from "../../../../lib/source/connection/causal_reader.ts";
import { changeStream } from "../../../../lib/source/stream/change_stream.ts";
import { BSON, type Document, MongoClient, MongoNetworkError, MongoServerError } from "mongodb";
import {
  connectDeployment,
  type Deployment,
  pinnedUrl,
} from "../../../../lib/source/connection/deployment.ts";
import { MongodbCode } from "../../../../lib/source/connection/mongodb_errors.ts";
import { isSecondaryAway, pinnedRoute } from "../../../../lib/source/connection/route.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { featureTrial } from "../../../../lib/source/stream/open_stream.ts";
import { OutageTracker } from "../../../../lib/util/outage.ts";
import { Shutdown } from "../../../../lib/util/shutdown.ts";
import { type Answer, FakeBalancer, FakeMongos } from "../../../support/fake_mongos.ts";

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

const quiet = () => new OutageTracker({ system: "MongoDB", emit: () => {} });

const streamOf = (deployment: Deployment, { signal }: AbortController) =>
  changeStream({
    route: deployment.route(),
    scope: new Scope({ databases: ["shop"], collections: ["orders"], exclude: [] }),
    features: featureTrial(() => {}),
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
    return { servers, deployment: stack.use(await connectDeployment(urlOf(...servers))) };
  },
  "two mongos behind one name": async (stack) => {
    const servers = [stack.use(await FakeMongos.start()), stack.use(await FakeMongos.start())] as const;
    const balancer = stack.use(await FakeBalancer.start(servers));
    return { servers, deployment: stack.use(await connectDeployment(urlOf(balancer))) };
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
    const deployment = stack.use(await connectDeployment(urlOf(...servers)));
    const read = start(deployment, stack);
    await read();
    const [used, other] = servers.sort(({ commands }) => commands.includes(command) ? -1 : 1);
    await used?.[Symbol.asyncDispose]();
    await read();
    assert.ok(other?.commands.includes(command));
  });
}

Deno.test("pinnedRoute closes the client of each server that it leaves", () => {
  const open = new Set<MongoClient>();
  let made = 0;
  const route = pinnedRoute({
    addresses: () => [`pod-${made}:27017`, `pod-${made + 1}:27017`],
    connect: (address) => {
      made++;
      const client = new MongoClient(`mongodb://${address}/`);
      open.add(client);
      return client;
    },
    close: (client) => open.delete(client),
  });
  for (let left = 0; left < 20; left++) {
    route.failed(route.client, new MongoNetworkError("connection closed"));
  }
  assert.equal(open.size, 0);
  assert.equal(made, 20);
  const { client } = route;
  route.failed(client, new Error("a refusal"));
  assert.equal(route.client, client);
});

Deno.test("pinnedRoute leaves a server by its own rule, for one of those that are left", () => {
  const secondaries = ["a:27017"];
  const connected: string[] = [];
  const route = pinnedRoute({
    addresses: (left) => secondaries.filter((each) => each !== left).concat("primary:27017").slice(0, 1),
    connect: (address) => {
      connected.push(address);
      return new MongoClient(`mongodb://${address}/`);
    },
    close: () => {},
    isToBeLeft: isSecondaryAway,
  });
  const expired = new MongoServerError({ code: MongodbCode.MaxTimeMSExpired, message: "too late" });
  const other = new MongoServerError({ code: MongodbCode.CursorNotFound, message: "another error" });
  for (const error of [other, expired]) route.failed(route.client, error);
  assert.ok(route.client);
  assert.deepEqual(connected, ["a:27017", "primary:27017"]);
});

Deno.test("CausalReader repeats a read whose mongos was left while it ran", async () => {
  await using stack = new AsyncDisposableStack();
  let shutdowns = 1;
  const answer: Answer = ({ find }) =>
    find && shutdowns-- > 0
      ? { ok: 0, code: 91, codeName: "ShutdownInProgress", errmsg: "shutting down" }
      : undefined;
  const servers = [stack.use(await FakeMongos.start(answer)), stack.use(await FakeMongos.start(answer))];
  const deployment = stack.use(await connectDeployment(urlOf(...servers)));
  const reader = stack.use(readerOf(deployment));
  const left = Promise.withResolvers<void>();
  let tries = 0;
  const slow = reader.read(async (client, options) => {
    tries++;
    await left.promise;
    return await client.db("shop").command({ hello: 1 }, options);
  });
  await reader.page(ORDERS, { find: "orders" });
  left.resolve();
  assert.ok(await slow);
  assert.equal(tries, 2);
});

/** A time with a signature, as servers give it. */
const timeAt = (t: number) => ({
  clusterTime: new BSON.Timestamp({ t, i: 1 }),
  signature: { hash: new BSON.Binary(new Uint8Array(20)), keyId: BSON.Long.ZERO },
});

Deno.test("CausalReader passes the time of a batch on, so that no shard is behind it", async () => {
  await using stack = new AsyncDisposableStack();
  const sent: Document[] = [];
  const answer: Answer = (command) => {
    if (command.find) sent.push(command);
    return undefined;
  };
  const server = stack.use(await FakeMongos.start(answer, { $clusterTime: timeAt(5) }));
  const deployment = stack.use(await connectDeployment(urlOf(server)));
  const reader = stack.use(readerOf(deployment));
  reader.after({ operationTime: new BSON.Timestamp({ t: 9, i: 1 }), clusterTime: timeAt(9) });
  await reader.page(ORDERS, { find: "orders" });
  const [{ $clusterTime, readConcern } = {}] = sent;
  assert.deepEqual([$clusterTime?.clusterTime.t, readConcern.afterClusterTime.t], [9, 9]);
});

Deno.test("changeStream() gives the time of the deployment with each batch", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await FakeMongos.start(undefined, { $clusterTime: timeAt(5) }));
  const deployment = stack.use(await connectDeployment(urlOf(server)));
  const stream = streamOf(deployment, new AbortController());
  const { value } = await stream.next();
  await stream.return(undefined);
  assert.equal(value?.clusterTime?.clusterTime.t, 5);
});

Deno.test("CausalReader tries again where a shard says that the time of the read is ahead of its own", async () => {
  await using stack = new AsyncDisposableStack();
  let refusals = 2;
  const answer: Answer = ({ find }) =>
    find && refusals-- > 0
      ? { ok: 0, code: 72, codeName: "InvalidOptions", errmsg: "readConcern afterClusterTime …" }
      : undefined;
  const server = stack.use(await FakeMongos.start(answer));
  const deployment = stack.use(await connectDeployment(urlOf(server)));
  const reader = stack.use(readerOf(deployment));
  reader.after({ operationTime: new BSON.Timestamp({ t: 9, i: 1 }) });
  await reader.page(ORDERS, { find: "orders" });
  assert.equal(count([server], "find"), 3);
});

Deno.test("pinnedRoute() closes its client when it is disposed of, and makes none for that", () => {
  const closed: MongoClient[] = [];
  const client = {} as MongoClient;
  const servers = {
    addresses: () => ["a"],
    connect: () => client,
    close: (each: MongoClient) => closed.push(each),
  };
  pinnedRoute(servers)[Symbol.dispose]();
  assert.deepEqual(closed, []);
  using route = pinnedRoute(servers);
  assert.equal(route.client, client);
  route[Symbol.dispose]();
  assert.deepEqual(closed, [client]);
});
