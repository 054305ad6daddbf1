import assert from "node:assert/strict";
import { logObserver } from "../../../lib/cli/log_observer.ts";
import type { Logger } from "../../../lib/util/log.ts";
import { QUIET } from "../../../lib/util/log.ts";
import { SilentError } from "../../../lib/util/outage.ts";

function logged(): { readonly lines: string[]; readonly observer: ReturnType<typeof logObserver> } {
  const lines: string[] = [];
  const write: Logger["warn"] = (message, { error } = {}) => void lines.push(`${message}: ${error}`);
  return {
    lines,
    observer: logObserver({ ...QUIET, warn: write, info: (message) => void lines.push(message) }),
  };
}

Deno.test("logObserver() names the failure with which an outage begins, however long it took to notice", () => {
  const { lines, observer } = logged();
  const error = new Error("connection refused");
  observer.outageBegan({ system: "CrateDB", error, lasted: 1 });
  observer.outage({ system: "CrateDB", error, lasted: 60_000 });
  observer.recovered({ system: "CrateDB", lasted: 61_000 });
  assert.deepEqual(lines, [
    "CrateDB failed, trying again: connection refused",
    "CrateDB has failed for 60 s, trying again: connection refused",
    "CrateDB answers again",
  ]);
});

Deno.test("logObserver() says of a silent system that it does not answer", () => {
  const { lines, observer } = logged();
  observer.outageBegan({ system: "MongoDB", error: new SilentError(5_200), lasted: 5_200 });
  observer.outage({ system: "MongoDB", error: new SilentError(65_200), lasted: 65_200 });
  assert.deepEqual(lines, [
    "MongoDB does not answer, waiting: no answer for 5 s",
    "MongoDB has not answered for 65 s, waiting: no answer for 65 s",
  ]);
});
