/** Reads in the order of records from a server in memory, which deletes records, changes its state or refuses. */
import assert from "node:assert/strict";
import { BSON, type Document, MongoServerError } from "mongodb";
import { fieldsByName } from "../../../../lib/bson/bson.ts";
import type { CausalReader, PageOptions } from "../../../../lib/source/connection/causal_reader.ts";
import { MongodbCode } from "../../../../lib/source/connection/mongodb_errors.ts";
import { DocumentReader } from "../../../../lib/source/documents/documents.ts";
import { rangeSplitter } from "../../../../lib/source/documents/key_ranges.ts";
import { positionBytes, recordPosition, recordStart } from "../../../../lib/source/documents/record_order.ts";
import { type Logger, QUIET } from "../../../../lib/util/log.ts";

const ORDERS = { database: "shop", collection: "orders" };
const CHUNK = 2;
const GONE = new MongoServerError({ code: MongodbCode.KeyNotFound, message: "no such record" });
const UNKNOWN = new MongoServerError({ code: 40415, message: "unknown field" });

const idOf = (token: Document | undefined) => token === undefined ? -1 : Number(token.$recordId);

/** A server whose nth record has the `_id` n, in no order of keys. */
function serverOf(records: number) {
  const left = new Set(Array.from({ length: records }, (_, n) => n));
  const server = {
    left,
    process: new BSON.ObjectId(),
    changes: 0,
    isMongos: false,
    accepts: true,
    givesTokens: true,
    resumes: true,
    /** Called before a page is returned. */
    onPage: () => {},
    commands: [] as Document[],
    warned: [] as string[],
  };
  const pageOf = (command: Document) => {
    server.commands.push(command);
    const { $_resumeAfter: token, limit, $_requestResumeToken: isNatural } = command;
    if (isNatural && !server.accepts) throw UNKNOWN;
    const after = idOf(token);
    if (token && !server.resumes) throw UNKNOWN;
    if (token && !left.has(after)) throw GONE;
    const found = [...left].filter((n) => n > after).slice(0, limit);
    const documents = found.map((_id) => {
      const document = BSON.serialize({ _id });
      const id = fieldsByName(document).get("_id");
      assert.ok(id);
      return { id, document };
    });
    server.onPage();
    const last = { $recordId: BigInt(found.at(-1) ?? after) };
    return { documents, exhausted: true, resumeToken: server.givesTokens ? last : undefined };
  };
  const client = {
    db: () => ({
      command: () => ({
        ...server.isMongos && { msg: "isdbgrid" },
        topologyVersion: { processId: server.process, counter: BSON.Long.fromNumber(server.changes) },
      }),
      collection: () => ({ estimatedDocumentCount: () => 10 }),
    }),
  };
  const reader = {
    page: (_: unknown, command: Document, { isAnswer }: PageOptions = {}) =>
      Promise.try(() => pageOf(command)).catch((error) => {
        // Another reader would try again forever.
        if (error === GONE) assert.ok(isAnswer?.(error));
        throw error;
      }),
    read: (work: (of: unknown, options: object) => unknown) => Promise.resolve(work(client, {})),
  } as unknown as CausalReader;
  const log: Logger = { ...QUIET, warn: (message) => void server.warned.push(message) };
  const documents = new DocumentReader(reader, {
    for: () => ({ transform: [], key: "_id" }),
    size: CHUNK,
    log,
  });
  return { server, reader, log, documents };
}

type Setting = ReturnType<typeof serverOf>;

/** Reads chunk after chunk to the end, or `atMost` of them. */
async function read({ documents }: Setting, start: Uint8Array | null, atMost = Infinity) {
  const seen: number[] = [];
  let after = start;
  for (let chunks = 0; chunks < atMost; chunks++) {
    const chunk = await documents.chunk(ORDERS, { after, upTo: null });
    seen.push(...chunk.documents.map(({ document }) => document ? BSON.deserialize(document)._id : NaN));
    after = chunk.last;
    if (chunk.done) break;
  }
  return { seen, after };
}

async function startOf({ reader, log }: Setting): Promise<Uint8Array> {
  const start = await recordStart(reader, ORDERS, log);
  assert.ok(start);
  return positionBytes(start);
}

Deno.test("recordPosition() keeps 64-bit record ids, and distinguishes a position from a key", () => {
  const tokens = [{ $recordId: BSON.Long.fromBigInt(2n ** 62n + 1n) }];
  assert.deepEqual(recordPosition(positionBytes({ server: "a:6", tokens })), { server: "a:6", tokens });
  for (const key of [null, BSON.serialize({ _id: 1 })]) assert.equal(recordPosition(key), undefined);
});

Deno.test("DocumentReader.chunk() reads each record once, in their order", async () => {
  const setting = serverOf(5);
  assert.deepEqual((await read(setting, await startOf(setting))).seen, [0, 1, 2, 3, 4]);
});

Deno.test("DocumentReader.chunk() resumes after an older record when the last one is deleted", async () => {
  const setting = serverOf(9);
  const { after } = await read(setting, await startOf(setting), 3);
  setting.server.left.delete(5);
  assert.deepEqual((await read(setting, after)).seen, [4, 6, 7, 8]);
  setting.server.left.delete(3);
  assert.deepEqual((await read(setting, after)).seen, [2, 4, 6, 7, 8]);
});

Deno.test("DocumentReader.chunk() begins again when none of the saved records exists", async () => {
  const setting = serverOf(9);
  const { after } = await read(setting, await startOf(setting), 3);
  for (const n of [1, 3, 5]) setting.server.left.delete(n);
  assert.deepEqual((await read(setting, after)).seen, [0, 2, 4, 6, 7, 8]);
});

for (
  const [what, change] of [
    ["another process", ({ server }: Setting) => void (server.process = new BSON.ObjectId())],
    ["a change of state, as before a rollback", ({ server }: Setting) => void server.changes++],
  ] as const
) {
  Deno.test(`DocumentReader.chunk() begins again after ${what}`, async () => {
    const setting = serverOf(5);
    const { after } = await read(setting, await startOf(setting), 1);
    change(setting);
    assert.deepEqual((await read(setting, after)).seen, [0, 1, 2, 3, 4]);
  });

  Deno.test(`DocumentReader.chunk() begins again after ${what} during a read`, async () => {
    const setting = serverOf(5);
    const { after } = await read(setting, await startOf(setting), 1);
    setting.server.onPage = () => {
      change(setting);
      setting.server.onPage = () => {};
    };
    assert.deepEqual((await read(setting, after)).seen, [0, 1, 2, 3, 4]);
  });
}

Deno.test("DocumentReader.chunk() continues in the order of _id, from the first key, where records are refused", async () => {
  const setting = serverOf(5);
  const { after } = await read(setting, await startOf(setting), 1);
  setting.server.accepts = false;
  const rest = await read(setting, after, 1);
  assert.deepEqual(rest.seen, [0, 1]);
  assert.equal(recordPosition(rest.after), undefined);
  assert.deepEqual(setting.server.commands.at(-1)?.sort, { _id: 1 });
  assert.equal(setting.server.warned.length, 1);
});

Deno.test("rangeSplitter() in natural order makes one range, which starts at a position", async () => {
  const { reader, log } = serverOf(5);
  const ranges = await rangeSplitter(reader, { lanes: 4, log, order: "natural" }).split(ORDERS);
  assert.equal(ranges.length, 1);
  assert.deepEqual(recordPosition(ranges[0]?.after ?? null)?.tokens, []);
});

for (const refusal of [{ isMongos: true }, { accepts: false }]) {
  Deno.test(`rangeSplitter() makes ranges of keys, with a warning, if ${JSON.stringify(refusal)}`, async () => {
    const { server, reader, log } = serverOf(5);
    Object.assign(server, refusal);
    const ranges = await rangeSplitter(reader, { lanes: 4, log, order: "natural" }).split(ORDERS);
    assert.deepEqual(ranges, [{ after: null, upTo: null }]);
    assert.equal(server.warned.length, 1);
  });
}

for (const missing of ["givesTokens", "resumes"] as const) {
  Deno.test(`recordStart() refuses a server without what a resumed read needs: ${missing}`, async () => {
    const { server, reader, log } = serverOf(5);
    server[missing] = false;
    assert.equal(await recordStart(reader, ORDERS, log), undefined);
    assert.equal(server.warned.length, 1);
  });
}
