import { mostMemory } from "../process/most_memory.ts";
import { cpuPerChange, type CpuSources, type CpuTimes, cpuTimes } from "./cpu.ts";

/** What some changes took. */
export interface Sample {
  readonly changes: number;
  readonly seconds: number;
  /** Of each process, in microseconds a change. */
  readonly cpu: CpuTimes;
  /** The most memory that the program has had so far, in bytes. */
  readonly memory: number | undefined;
}

/**
 * Times work that has begun just now.
 *
 * @param work resolves to the changes that it was
 * @param pid of the process whose CPU time and memory are the program's
 */
export async function sample(
  work: () => Promise<number>,
  { pid, cpu }: { readonly pid: number; readonly cpu: CpuSources },
): Promise<Sample> {
  const started = performance.now();
  const before = cpuTimes(pid, cpu);
  const changes = await work();
  const seconds = (performance.now() - started) / 1_000;
  const after = await cpuTimes(pid, cpu);
  return { changes, seconds, cpu: cpuPerChange(await before, after, changes), memory: await mostMemory(pid) };
}
