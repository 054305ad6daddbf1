/** What SIGHUP does, before and after the command is known. */
import assert from "node:assert/strict";

const MODULE = import.meta.resolve("../../../lib/cli/stop_signals.ts");

/** Runs these statements in a process of their own, in which SIGHUP has arrived. Returns what it prints. */
async function hungUp(statements: string): Promise<string> {
  const code = `
    import process from "node:process";
    import * as signals from ${JSON.stringify(MODULE)};
    const signal = signals.stopSignal();
    const hup = async () => {
      const arrived = new Promise((resolve) => process.once("SIGHUP", resolve));
      process.kill(process.pid, "SIGHUP");
      await arrived;
    };
    await hup();
    ${statements}
    console.log("stopped:", signal.aborted);
    process.exit();`;
  const args = ["eval", "--quiet", "--no-lock", code];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(text(stderr), "");
  return text(stdout).trim();
}

Deno.test("SIGHUP before the command is known waits for it", async () => {
  assert.deepEqual(
    await Promise.all([
      hungUp(""),
      hungUp("signals.stopOnHangup();"),
      hungUp('using _ = signals.onHangup(() => console.log("reload"));'),
      hungUp('signals.onHangup(() => console.log("reload"))[Symbol.dispose](); await hup();'),
    ]),
    ["stopped: false", "stopped: true", "reload\nstopped: false", "reload\nstopped: true"],
  );
});
