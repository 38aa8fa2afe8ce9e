/** A store of rollouts in a process of its own, which changes the endpoint "flights" and looks at it when it is asked. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

export interface StoreProcess {
  /** Makes the next version, or gives the one that is there. */
  ask(what: 'change' | 'look'): Promise<number>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export async function startStoreProcess(...args: readonly string[]): Promise<StoreProcess> {
  const child = fork('test/rollouts/store-peer.ts', args, { execArgv: ['--import', 'tsx'] });
  const waiting = new Map<number, (version: number) => void>();
  let asked = 0;
  await once(child, 'message');
  child.on('message', ({ id, version }: { id: number; version: number }) => waiting.get(id)?.(version));
  const ended = async (act: () => unknown): Promise<void> => {
    const exit = once(child, 'exit');
    act();
    await exit;
  };
  return {
    ask: async (what) =>
      new Promise((resolve) => {
        const id = asked++;
        waiting.set(id, resolve);
        child.send({ id, what });
      }),
    kill: async () => ended(() => child.kill('SIGKILL')),
    stop: async () => ended(() => child.disconnect()),
  };
}
