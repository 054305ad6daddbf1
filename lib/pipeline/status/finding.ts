import { describe } from "./describe_error.ts";

/** What a probe has found out about the databases. */
export interface Finding {
  /** What was asked, e.g. `oplog`. */
  readonly probe: string;
  /** With a `wrong` one a relay cannot work. */
  readonly level: "ok" | "warning" | "wrong";
  readonly text: string;
  /** What to do next, with the command to run. */
  readonly hint?: string | undefined;
  /** Of which alone it is the fault: a relay continues with others. */
  readonly collection?: string | undefined;
}

/** An answer to a probe, which adds its name. */
export type Answer = Omit<Finding, "probe">;

export const ok = (text: string): Answer => ({ level: "ok", text });
export const warning = (text: string, hint: string): Answer => ({ level: "warning", text, hint });
export const wrong = (text: string, hint: string, collection?: string): Answer => ({
  level: "wrong",
  text,
  hint,
  collection,
});

/** With the text and the hint by which the error would end a relay. */
export function failed(error: unknown, collection?: string): Answer {
  const { message: text, hint } = describe(error);
  return { level: "wrong", text, hint: hint?.replace("DATABASE.COLLECTION", collection ?? "$&"), collection };
}
