/** Before all tests: they start Redis servers of their own, so its program must be there. */
import { spawnSync } from 'node:child_process';

const INSTALL = 'apt-get update && apt-get install --yes --no-install-recommends redis-server';

function has(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** @throws Error with the line to type, where it cannot be installed from here */
export function setup(): void {
  if (has('redis-server') && has('redis-cli')) return;
  const mayInstall = process.getuid?.() === 0 && has('apt-get');
  if (mayInstall) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    spawnSync('sh', ['-c', INSTALL], { stdio: ['ignore', 'ignore', 'inherit'], env });
    if (has('redis-server')) return;
  }
  throw new Error(`The tests need redis-server 7 or later. Type: sudo sh -c '${INSTALL}'`);
}
