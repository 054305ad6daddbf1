/** CPU time that processes have used so far. */
import type { MongoClient } from "mongodb";
import { getContainerRuntimeClient } from "../deps.ts";

/** In microseconds; undefined where it cannot be known. */
export interface CpuTimes {
  readonly program: number | undefined;
  readonly mongodb: number | undefined;
  readonly cratedb: number | undefined;
}

export interface CpuSources {
  readonly mongodb: MongoClient;
  /** Where its process can be seen. */
  readonly cratedbPid: number | undefined;
}

export async function cpuTimes(pid: number, { mongodb, cratedbPid }: CpuSources): Promise<CpuTimes> {
  const [program, server, cratedb] = await Promise.all([
    cpuOfProcess(pid),
    cpuOfMongodb(mongodb),
    cratedbPid === undefined ? undefined : cpuOfProcess(cratedbPid),
  ]);
  return { program, mongodb: server, cratedb };
}

/** @example IN: {program: 1000, mongodb: undefined, …}, {program: 5000, …}, 100 → OUT: {program: 40, mongodb: undefined, …} */
export function cpuPerChange(before: CpuTimes, after: CpuTimes, changes: number): CpuTimes {
  const share = (name: keyof CpuTimes) => {
    const [start, end] = [before[name], after[name]];
    return start === undefined || end === undefined ? undefined : (end - start) / changes;
  };
  return { program: share("program"), mongodb: share("mongodb"), cratedb: share("cratedb") };
}

/** Microseconds in a tick of Linux, as it tells programs. */
const TICK_US = 10_000;

async function cpuOfProcess(pid: number): Promise<number | undefined> {
  return ticksIn(await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => ""));
}

/**
 * User and system time of a process with its threads.
 *
 * @example IN: "7 (a (b) c) S 1 7 7 0 -1 4194560 0 0 0 0 120 30 0 0 …" → OUT: 1500000; IN: "" → OUT: undefined
 */
export function ticksIn(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [fields[11], fields[12]];
  return user === undefined || system === undefined ? undefined : (Number(user) + Number(system)) * TICK_US;
}

async function cpuOfMongodb(client: MongoClient): Promise<number | undefined> {
  const status = await client.db("admin").command({ serverStatus: 1 }).catch(() => undefined);
  const times = [status?.extra_info?.user_time_us, status?.extra_info?.system_time_us].map(Number);
  return times.some(Number.isNaN) ? undefined : times.reduce((sum, each) => sum + each);
}

/** The main process of a container; undefined when it runs on another machine, or in a virtual one. */
export async function pidOfContainer(id: string): Promise<number | undefined> {
  const { container } = await getContainerRuntimeClient();
  const { State: { Pid: pid } } = await container.getById(id).inspect();
  const groups = await Deno.readTextFile(`/proc/${pid}/cgroup`).catch(() => "");
  return groups.includes(id) ? pid : undefined;
}
