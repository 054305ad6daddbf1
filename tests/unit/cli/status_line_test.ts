import assert from "node:assert/strict";
import { StatusLine } from "../../../lib/cli/status_line.ts";

/** A terminal of one line after the other, as far as carriage return, line feed and "erase line" go. */
class Terminal {
  readonly lines = [""];
  writes = 0;

  write(text: string): void {
    this.writes++;
    // deno-lint-ignore no-control-regex
    for (const part of text.split(/(\r\x1b\[2K|\n)/)) {
      if (part === "\n") this.lines.push("");
      else if (part.startsWith("\r")) this.lines[this.lines.length - 1] = "";
      else this.lines[this.lines.length - 1] += part;
    }
  }
}

function setUp({ columns = 80 } = {}) {
  const terminal = new Terminal();
  const time = { now: 0 };
  const line = new StatusLine({ stream: terminal, columns: () => columns, now: () => time.now });
  const log = (text: string) => line.above(() => terminal.write(`${text}\n`));
  return { terminal, time, line, log };
}

Deno.test("StatusLine stays below the lines that are logged", () => {
  const { terminal, line, log } = setUp();
  log("one");
  line.show(() => "10 %");
  log("two");
  log("three");
  assert.deepEqual(terminal.lines, ["one", "two", "three", "10 %"]);
});

Deno.test("StatusLine keeps a line that is logged between its last text and its end", () => {
  const { terminal, line, log } = setUp();
  line.show(() => "99 %");
  log("Snapshot done");
  line.clear();
  log("Stopped");
  assert.deepEqual(terminal.lines, ["Snapshot done", "Stopped", ""]);
});

Deno.test("StatusLine cuts its text so that the terminal does not wrap it", () => {
  const { terminal, line } = setUp({ columns: 10 });
  line.show((columns) => "█".repeat(columns + 20));
  assert.deepEqual(terminal.lines, ["█".repeat(7)]);
});

Deno.test("StatusLine is drawn ten times a second at most", () => {
  const { terminal, time, line } = setUp();
  for (let at = 0; at < 1_000; at++) {
    time.now = at;
    line.show(() => String(at));
  }
  assert.equal(terminal.writes, 10);
});

Deno.test("StatusLine is drawn again if writing above it fails", () => {
  const { terminal, line } = setUp();
  line.show(() => "10 %");
  assert.throws(() => line.above(() => assert.fail("closed")), /closed/);
  assert.deepEqual(terminal.lines, ["10 %"]);
});
