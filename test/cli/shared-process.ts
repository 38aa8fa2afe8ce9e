/**
 * Runs the built command line as `process.ts` does, but in one process for all calls of a test file: to start one and
 * load what a command needs takes far longer than most commands. Each call still has to end by itself, with nothing left
 * open. What is about the process (its signals, its environment, its end) is tested with `process.ts`.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterAll } from 'vitest';
import type { HostAnswer, HostCall } from './command-host.ts';
import type { Finished } from './process.ts';

const MARK = '\0ended\0';

/** To be called once by a test file. Calls that come while one runs wait for it. */
export function sharedProcess(): (args: readonly string[]) => Promise<Finished> {
  let child: ChildProcess | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let calls = 0;
  afterAll(() => child?.kill('SIGKILL'));
  return async (args) => {
    child ??= fork('test/cli/command-host.ts', { execArgv: ['--import', 'tsx'], silent: true });
    const host = child;
    const call = { id: calls++, args, mark: MARK };
    const finished = last.then(async () => runIn(host, call));
    last = finished.catch(() => undefined);
    return finished;
  };
}

async function runIn(host: ChildProcess, call: HostCall): Promise<Finished> {
  const told = JSON.stringify(call.args);
  const ended = new AbortController();
  const printed = Promise.all(
    [host.stdout, host.stderr].map(async (stream) => untilMark(stream as Readable)),
  );
  const answered = once(host, 'message', ended);
  const lost = once(host, 'exit', ended).then(([code, signal]) => {
    throw new Error(`the process of ${told} ended by itself: ${code} ${signal}`);
  });
  host.send(call);
  try {
    const [[{ code, leftOpen }], [stdout = '', stderr = '']] = await Promise.race([
      Promise.all([answered as Promise<[HostAnswer]>, printed]),
      lost,
    ]);
    if (leftOpen.length > 0) throw new Error(`${told} left open: ${leftOpen.join(', ')}`);
    return { code: Number(code), signal: null, stdout, stderr };
  } finally {
    lost.catch(() => undefined);
    ended.abort();
  }
}

async function untilMark(stream: Readable): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    const take = (chunk: string): void => {
      text += chunk;
      if (!text.endsWith(MARK)) return;
      stream.off('data', take);
      resolve(text.slice(0, -MARK.length));
    };
    stream.setEncoding('utf8').on('data', take);
  });
}
