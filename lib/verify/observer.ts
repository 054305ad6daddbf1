/** What a verification tells of itself while it runs. */
import type { OutageObserver } from "../util/outage.ts";

export interface VerifyProgress {
  /** Documents that have been compared. */
  readonly documents: number;
  /** Documents that there are, estimated. */
  readonly total: number;
}

export interface VerifyObserver extends OutageObserver {
  progress(progress: VerifyProgress): void;
  /** All collections have been compared once. */
  done(): void;
}
