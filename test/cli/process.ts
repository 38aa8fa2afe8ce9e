/** Runs the built command line as a process of its own, as a user would. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

const cliPath = new URL('../../dist/cli.js', import.meta.url).pathname;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves with the match when standard output holds the pattern; rejects if the process ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
}

export function start(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Running {
  const child = spawn(process.execPath, [cliPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
    env: { ...process.env, ...options.env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const finished = new Promise<Finished>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  const printed = async (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(stdout);
        if (match === null) return;
        child.stdout.removeListener('data', look);
        resolve(match);
      };
      child.stdout.on('data', look);
      look();
      void finished.then((end) =>
        reject(new Error(`ended before ${String(pattern)}: ${JSON.stringify(end)}`)),
      );
    });
  return { child, finished, printed };
}

export async function run(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  return start(args, options).finished;
}
