/** Runs `check` and `plan`, and prints their results. */
import type { checkConfig, planConfig } from "../config/config.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import type { Reword } from "../config/origins.ts";
import type { Finding } from "../pipeline/status/finding.ts";
import { check } from "../plan/check.ts";
import { plan } from "../plan/plan.ts";
import { checkText, planSql, planText } from "../plan/report.ts";
import type { CommandContext } from "./command.ts";

type RunContext = Pick<CommandContext, "signal" | "columns" | "print">;

/** A finding is wrong. */
const NOT_WELL = 4;
/** A table exists, and does not fit. */
const CONFLICT = 3;

const rewordedBy = (reword: Reword) => (finding: Finding): Finding => ({
  ...finding,
  text: reword(finding.text),
  ...finding.hint !== undefined && { hint: reword(finding.hint) },
});

/** @param name of the stream in its file */
const titleOf = ({ scope }: Pick<RelaySettings, "scope">, name: string | undefined): string =>
  name === undefined ? `${scope}` : `${name}: ${scope}`;

export async function runCheck(
  { relay, failOn, output, name, reword, ...context }: ReturnType<typeof checkConfig> & {
    /** Of the stream in its file. */
    readonly name?: string | undefined;
  },
  { signal, print }: Omit<RunContext, "columns">,
): Promise<number> {
  const findings = (await check(relay, { ...context, signal })).map(rewordedBy(reword));
  if (output === "json") print(JSON.stringify({ stream: name, scope: `${relay.scope}`, findings }));
  else print(`${titleOf(relay, name)}\n${checkText(findings)}`);
  return findings.some(({ level }) => level === "wrong" || level === failOn) ? NOT_WELL : 0;
}

export async function runPlan(
  { name, ...settings }: ReturnType<typeof planConfig> & { readonly name?: string | undefined },
  { signal, columns, print }: RunContext,
): Promise<number> {
  const { findings, ...others } = await plan(settings, { signal });
  const planned = { findings: findings.map(rewordedBy(settings.reword)), ...others };
  const title = titleOf(settings.relay, name);
  if (settings.output === "json") {
    print(JSON.stringify({ stream: name, scope: `${settings.relay.scope}`, ...planned }));
  } else if (settings.output === "sql") print(`-- ${title}\n${planSql(planned)}`);
  else print(`${title}\n${planText(planned, columns ?? Infinity)}`);
  const wrong = planned.findings.filter(({ level }) => level === "wrong");
  if (settings.tables === "create" && wrong.some(({ probe }) => probe === "tables")) return CONFLICT;
  return wrong.length > 0 ? NOT_WELL : 0;
}
