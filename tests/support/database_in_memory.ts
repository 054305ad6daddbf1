/** A database that answers, fails, falls silent or refuses, as a test has it. */
import { type Emit } from "../../lib/pipeline/status/events.ts";
import type { StatusTracker } from "../../lib/pipeline/status/status_tracker.ts";
import { OutageTracker } from "../../lib/util/outage.ts";
import { retry } from "../../lib/util/retry.ts";
import type { Shutdown } from "../../lib/util/shutdown.ts";
import type { FakeClock } from "./fake_clock.ts";

/** What a database does with what it is asked. It refuses only what the relay does not insist on. */
export type Mood = "answers" | "fails" | "is silent" | "refuses";

/** What may be refused: another relay may have made the column. */
export const ADD_COLUMN = "add column";

export const isAway = (error: unknown) => error instanceof Error && error.message === "away";

export interface Surroundings {
  readonly clock: FakeClock;
  readonly emit: Emit;
  readonly status: StatusTracker;
  readonly shutdown: Shutdown;
}

export type DatabaseInMemory = ReturnType<typeof databaseInMemory>;

export function databaseInMemory(
  system: "MongoDB" | "CrateDB",
  { clock, emit, status, shutdown }: Surroundings,
) {
  const outages = new OutageTracker({ system, emit, clock });
  status.watch(outages);
  let awake = Promise.withResolvers<void>();
  let mood: Mood = "answers";
  let only: string | undefined;
  const asked: string[] = [];
  /** One try. */
  const answer = async (question: string): Promise<void> => {
    asked.push(question);
    while (mood === "is silent" && (only ?? question) === question) await awake.promise;
    if (mood === "fails") throw new Error("away");
    if (mood === "refuses" && question === ADD_COLUMN) throw new Error("refused");
  };
  return {
    outages,
    asked,
    answer,
    /** @param question the only one that this is true of @default {all} */
    become(next: Mood, question?: string) {
      mood = next;
      only = question;
      awake.resolve();
      awake = Promise.withResolvers();
    },
    /** Asks until it gets an answer, like statements and reads. */
    ask: (question: string, work: () => void = () => {}) =>
      retry(() => answer(question).then(work), {
        shutdown,
        outages,
        isRetryable: isAway,
        retryFor: Infinity,
        clock,
      }),
  };
}
