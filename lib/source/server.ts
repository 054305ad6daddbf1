/** Which features the server has. */
import type { CausalReader } from "./causal_reader.ts";

export interface ServerFeatures {
  readonly version: string;
  /** `$changeStreamSplitLargeEvent`: 6.0.9, 7.0 and newer. */
  readonly splitsLargeEvents: boolean;
  /** `showExpandedEvents`, which also reports new collections: 6.0 and newer. */
  readonly expandedEvents: boolean;
}

export async function serverFeatures(reader: CausalReader): Promise<ServerFeatures> {
  const { version } = await reader.read((client, options) =>
    client.db("admin").command({ buildInfo: 1 }, options)
  );
  return featuresOf(String(version));
}

/** @example IN: 6.0.5 → OUT: {version: "6.0.5", splitsLargeEvents: false, expandedEvents: true} */
export function featuresOf(version: string): ServerFeatures {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  return {
    version,
    splitsLargeEvents: major > 6 || major === 6 && (minor > 0 || patch >= 9),
    expandedEvents: major >= 6,
  };
}
