import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import {
  concurrently,
  readAhead,
  ReadWriteLock,
  Semaphore,
  unlessAborted,
} from "../../../lib/util/concurrency.ts";

Deno.test("concurrently() gives the results in the order of the items", async () => {
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const done = concurrently([0, 1, 2, 3], 4, async (item) => {
    await gates[item]?.promise;
    return `r${item}`;
  });
  for (const gate of gates.toReversed()) {
    gate.resolve();
    await setImmediate();
  }
  assert.deepEqual(await done, ["r0", "r1", "r2", "r3"]);
});

for (const [items, limit, expected] of [[10, 3, 3], [2, 5, 2], [5, 1, 1], [0, 3, 0]] as const) {
  Deno.test(`concurrently() runs ${expected} of ${items} at once with a limit of ${limit}`, async () => {
    let [running, most] = [0, 0];
    const all = Array.from({ length: items }, (_, index) => index);
    const results = await concurrently(all, limit, async (item) => {
      most = Math.max(most, ++running);
      await setImmediate();
      running--;
      return item;
    });
    assert.deepEqual(results, all);
    assert.equal(most, expected);
  });
}

Deno.test("concurrently() takes items as it gets to them", async () => {
  let taken = 0;
  const items = function* () {
    for (let item = 0; item < 5; item++, taken++) yield item;
  };
  const ahead: number[] = [];
  await concurrently(items(), 2, async (item) => {
    ahead.push(taken - item);
    await setImmediate();
  });
  assert.ok(ahead.every((count) => count <= 2), `${ahead}`);
});

Deno.test("concurrently() begins nothing after an error, and throws it once nothing runs any more", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const slow = Promise.withResolvers<void>();
  const done = concurrently([0, 1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("broken");
    await slow.promise;
    ended.push(item);
  });
  let thrown = false;
  const rejected = assert.rejects(done, /broken/).then(() => thrown = true);
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  assert.equal(thrown, false);
  slow.resolve();
  await rejected;
  assert.deepEqual({ begun, ended }, { begun: [0, 1], ended: [0] });
});

Deno.test("concurrently() throws the first of several errors", async () => {
  await assert.rejects(
    concurrently([3, 1, 2], 3, async (turns) => {
      for (let turn = 0; turn < turns; turn++) await setImmediate();
      throw new Error(`after ${turns}`);
    }),
    /after 1/,
  );
});

Deno.test("Semaphore limits concurrent work, in the order of the calls", async () => {
  const semaphore = new Semaphore(2);
  const started: number[] = [];
  let [running, most] = [0, 0];
  const work = (n: number) => async () => {
    started.push(n);
    most = Math.max(most, ++running);
    await new Promise((done) => setTimeout(done));
    running--;
    return n;
  };
  const all = Array.from({ length: 6 }, (_, n) => semaphore.run(work(n)));
  assert.deepEqual(await Promise.all(all), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(started, [0, 1, 2, 3, 4, 5]);
  assert.equal(most, 2);
});

Deno.test("Semaphore has room again after work that fails", async () => {
  const semaphore = new Semaphore(1);
  const failed = semaphore.run(() => Promise.reject(new Error("failed")));
  const next = semaphore.run(() => Promise.resolve("done"));
  await assert.rejects(failed, /failed/);
  assert.equal(await next, "done");
  assert.equal(await semaphore.run(() => Promise.resolve("again")), "again");
});

Deno.test("Semaphore limits the weight of concurrent work, and runs heavier work alone", async () => {
  const semaphore = new Semaphore(10);
  let [weight, heaviest, most] = [0, 0, 0];
  const work = (own: number) => async () => {
    weight += own;
    most = Math.max(most, weight);
    if (own > 10) heaviest = Math.max(heaviest, weight);
    await new Promise((done) => setTimeout(done));
    weight -= own;
  };
  const weights = [4, 4, 4, 25, 4, 6, 1];
  await Promise.all(weights.map((own) => semaphore.run(work(own), own)));
  assert.equal(heaviest, 25);
  assert.equal(most, 25);
  most = 0;
  await Promise.all([4, 4, 4, 6].map((own) => semaphore.run(work(own), own)));
  assert.equal(most, 10);
});

/** Work that runs until the test ends it. */
class Works {
  readonly running: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<void>>();

  of(name: string): () => Promise<string> {
    const end = Promise.withResolvers<void>();
    this.#ends.set(name, end);
    return async () => {
      this.running.push(name);
      await end.promise;
      this.running.splice(this.running.indexOf(name), 1);
      return name;
    };
  }

  end(name: string): void {
    this.#ends.get(name)?.resolve();
  }
}

Deno.test("ReadWriteLock has shared work overlap, and exclusive work with none", async () => {
  const lock = new ReadWriteLock();
  const works = new Works();
  const [a, b] = [lock.shared(works.of("a")), lock.shared(works.of("b"))];
  const c = lock.exclusive(works.of("c"));
  const [d, e] = [lock.shared(works.of("d")), lock.exclusive(works.of("e"))];
  await Promise.resolve();
  assert.deepEqual(works.running, ["a", "b"]);
  works.end("a");
  assert.equal(await a, "a");
  assert.deepEqual(works.running, ["b"]);
  works.end("b");
  await b;
  works.end("c");
  assert.equal(await c, "c");
  works.end("d");
  await d;
  works.end("e");
  assert.equal(await e, "e");
  assert.deepEqual(works.running, []);
});

Deno.test("ReadWriteLock never overlaps exclusive work, in any order of calls", async () => {
  const lock = new ReadWriteLock();
  let [shared, exclusive, most] = [0, 0, 0];
  const work = (isExclusive: boolean) => async () => {
    if (isExclusive) exclusive++;
    else shared++;
    most = Math.max(most, shared);
    assert.ok(exclusive === 0 || exclusive === 1 && shared === 0);
    await new Promise((done) => setTimeout(done));
    if (isExclusive) exclusive--;
    else shared--;
  };
  const asked = [0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0];
  await Promise.all(asked.map((each) => each ? lock.exclusive(work(true)) : lock.shared(work(false))));
  assert.equal(most, 3);
});

Deno.test("ReadWriteLock goes on after work that fails", async () => {
  const lock = new ReadWriteLock();
  const fail = () => Promise.reject(new Error("failed"));
  const failed = [lock.shared(fail), lock.exclusive(fail), lock.shared(fail)];
  const done = [lock.exclusive(() => Promise.resolve(1)), lock.shared(() => Promise.resolve(2))];
  assert.deepEqual((await Promise.allSettled(failed)).map(({ status }) => status), Array(3).fill("rejected"));
  assert.deepEqual(await Promise.all(done), [1, 2]);
});

Deno.test("readAhead() asks for the next value while one is used, and not for more", async () => {
  const asked: number[] = [];
  async function* source() {
    for (const value of [1, 2, 3, 4]) {
      asked.push(value);
      yield await Promise.resolve(value);
    }
  }
  const values = readAhead(source());
  assert.equal((await values.next()).value, 1);
  assert.deepEqual(asked, [1, 2]);
  assert.deepEqual(await Array.fromAsync(values), [2, 3, 4]);
});

Deno.test("readAhead() throws an error in its turn", async () => {
  async function* source() {
    yield await Promise.resolve(1);
    throw new Error("broken");
  }
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const value of readAhead(source())) seen.push(value);
  }, /broken/);
  assert.deepEqual(seen, [1]);
});

Deno.test("readAhead() ends its source when it is left early", async () => {
  let ended = false;
  async function* source() {
    try {
      yield await Promise.resolve(1);
      yield await Promise.resolve(2);
    } finally {
      ended = true;
    }
  }
  for await (const _ of readAhead(source())) break;
  assert.ok(ended);
});

Deno.test("unlessAborted() ends with the work or the signal, and leaves no listener", async () => {
  const relay = new AbortController();
  let listeners = 0;
  const { signal } = relay;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
  assert.equal(await unlessAborted(Promise.resolve(1), signal), 1);
  await assert.rejects(unlessAborted(Promise.reject(new Error("no")), signal), /no/);
  const waiting = assert.rejects(unlessAborted(new Promise(() => {}), signal), /stop/);
  relay.abort(new Error("stop"));
  await waiting;
  await assert.rejects(unlessAborted(new Promise(() => {}), signal), /stop/);
  assert.equal(listeners, 0);
});
