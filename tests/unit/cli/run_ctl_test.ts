import assert from "node:assert/strict";
import { listText } from "../../../lib/cli/run_ctl.ts";

const REQUEST = {
  id: "6f1c",
  stream: "shop.* -> {database}.{collection}",
  verb: "letters",
  arguments: { action: "show" },
  askedAt: 0,
  askedBy: "crate",
  expiresAt: 3_600_000,
  isExpired: false,
  state: "done",
  startedAt: 0,
  endedAt: 0,
  progress: null,
} as const;

Deno.test("the list of requests shows no documents of dead letters", () => {
  const message = '1 dead letter\nshop.orders 7 1970-01-01T00:00:00.000Z too large\n{"card":"4711"}';
  assert.deepEqual(listText([{ ...REQUEST, message }], Infinity).split("\n"), [
    "id    verb     state  asked                     by     message",
    "6f1c  letters  done   1970-01-01T00:00:00.000Z  crate  1 dead letter",
  ]);
});
