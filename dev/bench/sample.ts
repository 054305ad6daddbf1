/** Time, CPU time and memory of a measured piece of work. */
import type { MongoClient } from "mongodb";
import { loadContainers } from "../deps.ts";
import { mostMemory } from "../process/most_memory.ts";

/** In microseconds; undefined if unknown. */
export interface CpuTimes {
  readonly program: number | undefined;
  readonly mongodb: number | undefined;
  readonly cratedb: number | undefined;
}

/** Whose CPU time is measured, besides that of the program. */
export interface Servers {
  readonly client: MongoClient;
  /** Undefined if the process is not visible. */
  readonly cratedbPid: number | undefined;
}

export interface Sample {
  readonly changes: number;
  readonly seconds: number;
  /** In microseconds a change. */
  readonly cpu: CpuTimes;
  /** Peak memory of the program so far, in bytes. */
  readonly memory: number | undefined;
  /** From an insert to its row. */
  readonly delay?: Percentiles | undefined;
}

/** In milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Nearest ranks. @example IN: 1, 2, … 100 → OUT: {p50: 50, p90: 90, p99: 99, max: 100}; IN: nothing → OUT: undefined */
export function percentiles(values: Iterable<number>): Percentiles | undefined {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return undefined;
  const at = (percent: number) => sorted[Math.ceil(sorted.length * percent / 100) - 1] ?? NaN;
  return { p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}

/**
 * Measures work from now to its end.
 *
 * @param work resolves to the number of changes
 * @param pid of the program
 */
export async function sample(work: () => Promise<number>, servers: Servers, pid: number): Promise<Sample> {
  const started = performance.now();
  const before = cpuTimes(pid, servers);
  const changes = await work();
  const seconds = (performance.now() - started) / 1_000;
  const after = await cpuTimes(pid, servers);
  return { changes, seconds, cpu: cpuPerChange(await before, after, changes), memory: await mostMemory(pid) };
}

async function cpuTimes(pid: number, { client, cratedbPid }: Servers): Promise<CpuTimes> {
  const [program, mongodb, cratedb] = await Promise.all([
    cpuOfProcess(pid),
    cpuOfMongodb(client),
    cratedbPid === undefined ? undefined : cpuOfProcess(cratedbPid),
  ]);
  return { program, mongodb, cratedb };
}

/** @example IN: {program: 1000, mongodb: undefined, …}, {program: 5000, …}, 100 → OUT: {program: 40, mongodb: undefined, …} */
export function cpuPerChange(before: CpuTimes, after: CpuTimes, changes: number): CpuTimes {
  const share = (name: keyof CpuTimes) => {
    const [start, end] = [before[name], after[name]];
    return start === undefined || end === undefined ? undefined : (end - start) / changes;
  };
  return { program: share("program"), mongodb: share("mongodb"), cratedb: share("cratedb") };
}

/** Microseconds in a clock tick of Linux. */
const TICK_US = 10_000;

const cpuOfProcess = async (pid: number): Promise<number | undefined> =>
  microsecondsIn(await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => ""));

/**
 * Reads user and system time of a process with its threads.
 *
 * @example IN: "7 (a (b) c) S 1 7 7 0 -1 4194560 0 0 0 0 120 30 0 0 …" → OUT: 1500000; IN: "" → OUT: undefined
 */
export function microsecondsIn(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [fields[11], fields[12]];
  return user === undefined || system === undefined ? undefined : (Number(user) + Number(system)) * TICK_US;
}

async function cpuOfMongodb(client: MongoClient): Promise<number | undefined> {
  const status = await client.db("admin").command({ serverStatus: 1 }).catch(() => undefined);
  const times = [status?.extra_info?.user_time_us, status?.extra_info?.system_time_us].map(Number);
  return times.some(Number.isNaN) ? undefined : times.reduce((sum, each) => sum + each);
}

/** Returns the main process of a container; undefined on another or a virtual machine. */
export async function pidOfContainer(id: string): Promise<number | undefined> {
  const { getContainerRuntimeClient } = await loadContainers();
  const { container } = await getContainerRuntimeClient();
  const { State: { Pid: pid } } = await container.getById(id).inspect();
  const groups = await Deno.readTextFile(`/proc/${pid}/cgroup`).catch(() => "");
  return groups.includes(id) ? pid : undefined;
}
