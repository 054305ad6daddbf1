/** What `verify` is told. */
import type { RelaySettings } from "../pipeline/settings.ts";

/** Times are in milliseconds. */
export interface VerifySettings {
  /** What is followed and how it is mapped, as the relay is told. */
  readonly relay: RelaySettings;
  /** Compare documents with rows, or only count both. */
  readonly compare: "documents" | "counts";
  /** Documents of each collection, and rows of each table, that are compared; 0 for all. */
  readonly sample: number;
  readonly differences: "report" | "repair";
  readonly runs: "once" | "forever";
  /** Documents a second at most; 0 for no limit. */
  readonly rate: number;
  /** How long the relay's position may stand still before it is no longer waited for. */
  readonly settle: number;
  /** How often keys that keep changing are compared again. */
  readonly generations: number;
  readonly output: "text" | "json";
}
