/** Compares how many documents and rows there are. Equal counts prove little; different ones that something is wrong. */
import type { Passing } from "./result.ts";

export interface CountDeps {
  /** Documents that match, as the relay takes them. */
  readonly documents: () => Promise<number>;
  readonly rows: () => Promise<number>;
  readonly deadLetters: () => Promise<number>;
  /** Waits until the relay has passed all that has been read from MongoDB. */
  readonly pass: () => Promise<Passing>;
  /** Counts at most. */
  readonly generations: number;
}

export interface Counted {
  readonly documents: number;
  readonly rows: number;
  readonly deadLetters: number;
  /** Whether documents came or went while rows were counted, each time. */
  readonly isChanging: boolean;
  readonly relay: Passing;
}

/** Counts documents before and after the rows: where both are the same, the rows can be judged. */
export async function count(
  { documents, rows, deadLetters, pass, generations }: CountDeps,
): Promise<Counted> {
  for (let generation = 1;; generation++) {
    const before = await documents();
    const relay = await pass();
    const counted = { documents: before, rows: await rows(), deadLetters: await deadLetters(), relay };
    const isSteady = await documents() === before || relay !== "passed";
    if (isSteady || generation >= generations) return { ...counted, isChanging: !isSteady };
  }
}
