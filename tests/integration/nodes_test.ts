import assert from "node:assert/strict";
import { inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { variants } from "../support/nightly.ts";

for (const transport of variants(["http"], ["wire"])) {
  cratedbTest(`relay() and verify() use the node that answers, over ${transport}`, async (context) => {
    const { mongodb, database, httpUrl, wireUrl, relay, verify } = context;
    const server = transport === "http" ? httpUrl : wireUrl;
    const { host, hostname, port } = new URL(server);
    const target = { hostname, port: Number(port) };
    await using one = await startTcpProxy(target);
    await using other = await startTcpProxy(target);
    const [first, second] = [one, other].map(({ port }) => `127.0.0.1:${port}`);
    const variable = transport === "http" ? "CRATEDB_SQLALCHEMY_URL" : "CRATEDB_URL";
    const options = { transport, env: { [variable]: server.replace(host, `${first},${second}`) } };
    const data = mongodb.db(database).collection<{ _id: number }>("data");
    const insert = (from: number) =>
      data.insertMany(Array.from({ length: 200 }, (_, at) => ({ _id: from + at })));

    await insert(0);
    const running = relay([], options);
    await running.waitForLine(/Ready/);
    await one.cut();
    await insert(1_000);
    await inStep(context);
    await running.waitForLine(new RegExp(`WARN .*node=${first} .*instead=${second}`));
    assert.equal((await verify([], options)).code, 0);

    await one.mend();
    other.freeze();
    await insert(2_000);
    await inStep(context);
    await running.waitForLine(new RegExp(`WARN .*node=${second} .*no answer.*instead=${first}`));
    assert.equal((await verify([], options)).code, 0);
    assert.equal((await running.kill()).code, 0);
    assert.doesNotMatch(running.stderr.join("\n"), /CrateDB failed, trying again/);
    other.thaw();
  });
}
