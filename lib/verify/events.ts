/** The events that a verification emits while it runs. */
import type { OutageEvent } from "../util/outage.ts";

export type VerifyEvent =
  | OutageEvent
  /** Documents compared so far, and to compare in total, estimated. */
  | { readonly type: "progress"; readonly documents: number; readonly total: number }
  /** All collections have been compared once. */
  | { readonly type: "done" };
