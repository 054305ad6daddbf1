/** The probes of `check`, and of each start of a relay. */
import type { Emit } from "../../pipeline/status/events.ts";
import type { Logger } from "../../util/log.ts";
import { CRATEDB_PROBES, PROBES_OF_BOTH } from "./cratedb_probes.ts";
import { MONGODB_PROBES } from "./mongodb_probes.ts";
import { askAll, type BothSides, type Probe } from "./probe.ts";

export const PROBES: readonly Probe<BothSides>[] = [...MONGODB_PROBES, ...CRATEDB_PROBES, ...PROBES_OF_BOTH];

/** Asks what no step of a start meets, and delays none. Throws nothing. */
export async function askAtStart(
  side: BothSides,
  { isFirst, log, emit }: { readonly isFirst: boolean; readonly log: Logger; readonly emit: Emit },
): Promise<void> {
  const findings = await askAll(PROBES.filter(({ isOfStart }) => isOfStart), side);
  for (const { probe, level, text, hint } of findings) {
    if (level !== "ok") log.debug(text, { probe, hint });
  }
  emit({ type: "checked", findings, isFirst });
}
