/**
 * A process that runs the built command line again and again, for `shared-process.ts`. What a command needs is loaded
 * once; the module of the command line itself is made anew for each call, so that it reads its arguments as in a process
 * of its own.
 */
import { setTimeout as pause } from 'node:timers/promises';

const cliUrl = new URL('../../dist/cli.js', import.meta.url).href;

export interface HostAnswer {
  readonly code: number | string | null | undefined;
  /** What would have kept a process of its own from ending. */
  readonly leftOpen: readonly string[];
}

/** What is closed may take its time. */
const END_LIMIT_MS = 10_000;

// They are made when they are first asked for, and stay.
const streams = [process.stdout, process.stderr];
// A command leaves its listeners for the end of the process.
for (const emitter of [process, ...streams]) emitter.setMaxListeners(0);

async function resourcesLeft(before: readonly string[]): Promise<string[]> {
  const endMs = performance.now() + END_LIMIT_MS;
  for (;;) {
    const left = process.getActiveResourcesInfo();
    for (const name of before) if (left.includes(name)) left.splice(left.indexOf(name), 1);
    if (left.length === 0 || performance.now() > endMs) return left;
    await pause(1);
  }
}

export interface HostCall {
  /** Another one for each call. */
  readonly id: number;
  readonly args: readonly string[];
  /** Is printed when the command has ended, so that it is known what it has printed. */
  readonly mark: string;
}

async function run({ id, args, mark }: HostCall): Promise<HostAnswer> {
  const before = process.getActiveResourcesInfo();
  process.argv.splice(2, Infinity, ...args);
  process.exitCode = 0;
  await import(`${cliUrl}?call=${id}`);
  const { exitCode: code } = process;
  const leftOpen = await resourcesLeft(before);
  for (const stream of streams) stream.write(mark);
  return { code, leftOpen };
}

process.on('message', (call: HostCall) => {
  void run(call).then((answer) => process.send?.(answer));
});
