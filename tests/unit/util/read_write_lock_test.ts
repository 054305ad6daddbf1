import assert from "node:assert/strict";
import { ReadWriteLock } from "../../../lib/util/read_write_lock.ts";

/** Work that goes on until it is told to end. */
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

Deno.test("ReadWriteLock is never held twice where one is exclusive, in whatever order it is asked for", async () => {
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
