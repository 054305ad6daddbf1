import assert from "node:assert/strict";
import { join } from "node:path";
import { assertMetrics } from "../../support/metric_names.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..", "..");
const FOLDER = join(ROOT, "deploy", "prometheus");
const rules = (await Deno.readTextFile(join(FOLDER, "alerts.yaml"))).split("      - alert: ").slice(1);

/** @example IN: "docs: docs/a.md#b" → OUT: docs/a.md#b */
const valueOf = (rule: string, name: string): string =>
  new RegExp(`^ +${name}: (.+)$`, "m").exec(rule)?.[1] ?? "";

Deno.test("each alert names metrics and labels that there are", () => {
  assert.ok(rules.length >= 9);
  for (const rule of rules) {
    const [, expression = ""] = /expr: (.*?)\n {8}\w+:/s.exec(rule) ?? [];
    assert.ok(assertMetrics(expression).length > 0 || expression.startsWith("up{"), rule);
  }
});

Deno.test("each alert says in a line what to do, and leads to a heading", async () => {
  for (const rule of rules) {
    assert.match(valueOf(rule, "action"), /^[A-Z].+\.$/, rule);
    const [file = "", anchor] = valueOf(rule, "docs").split("#");
    const text = await Deno.readTextFile(join(ROOT, file));
    const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading.toLowerCase().replaceAll(" ", "-")
    );
    assert.ok(anchors.includes(anchor ?? ""), rule);
  }
});

const promtool = async (args: readonly string[]) =>
  await new Deno.Command("promtool", { args: [...args], cwd: FOLDER }).output();

const promtoolIsPresent = await promtool(["--version"]).then(({ success }) => success, () => false);

for (const args of [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]]) {
  Deno.test({
    name: `promtool ${args.join(" ")}`,
    ignore: !promtoolIsPresent,
    async fn() {
      const { success, stdout, stderr } = await promtool(args);
      assert.ok(success, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
    },
  });
}
