import { loadContainers } from "../deps.ts";

/** Faults of a server in a container. */
export interface ContainerControl {
  /** Freezes it: connections stay open, requests get no answer. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Kills it with SIGKILL; data and address stay. */
  kill(): Promise<void>;
  /** Resumes or restarts it, and waits until it answers. */
  restore(): Promise<void>;
}

export function containerControl(id: string, ready: () => Promise<unknown>): ContainerControl {
  const container = async () => {
    const { getContainerRuntimeClient } = await loadContainers();
    return (await getContainerRuntimeClient()).container.getById(id);
  };
  return {
    pause: async () => void await (await container()).pause(),
    resume: async () => void await (await container()).unpause(),
    kill: async () => void await (await container()).kill(),
    async restore() {
      const { State } = await (await container()).inspect();
      if (State.Paused) await this.resume();
      else if (!State.Running) await (await container()).start();
      await ready();
    },
  };
}
