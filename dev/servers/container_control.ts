import { getContainerRuntimeClient } from "testcontainers";

/** Faults for a server in a container. Each resolves when it is done. */
export interface ContainerControl {
  /** Freezes it: connections stay open, nothing is answered. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** As `kill -9`; data and address stay. */
  kill(): Promise<void>;
  /** Brings it back from whatever was done to it, and waits until it answers. */
  restore(): Promise<void>;
}

export function containerControl(id: string, ready: () => Promise<unknown>): ContainerControl {
  const container = async () => (await getContainerRuntimeClient()).container.getById(id);
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
