/** An LMDB environment that cannot be written, as if another process or the disk took its time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Takes the write lock of the environment in another process; the function that is returned kills that one. */
export async function holdLock(path: string): Promise<() => Promise<void>> {
  const child = spawn('node', ['--import', 'tsx', 'test/lmdb/lock-holder.ts', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  };
}
