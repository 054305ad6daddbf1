import { cpuPerChange, type CpuSources, type CpuTimes, cpuTimes } from "./cpu.ts";

/** What some changes took. */
export interface Sample {
  readonly changes: number;
  readonly seconds: number;
  /** Of each process, in microseconds a change. */
  readonly cpu: CpuTimes;
}

/**
 * Times work that has begun just now.
 *
 * @param pid of the process whose CPU time is the program's
 */
export async function sample(
  work: () => Promise<unknown>,
  { pid, changes, cpu }: { readonly pid: number; readonly changes: number; readonly cpu: CpuSources },
): Promise<Sample> {
  const started = performance.now();
  const before = cpuTimes(pid, cpu);
  await work();
  const seconds = (performance.now() - started) / 1_000;
  return { changes, seconds, cpu: cpuPerChange(await before, await cpuTimes(pid, cpu), changes) };
}
