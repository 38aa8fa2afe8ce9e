/**
 * The commands of a page, as a reader would type them in the folder of the repository. Blocks of code that are marked
 * with `tour` are followed in the order of the page:
 *
 *   sh tour           is typed; whatever fails ends the tour
 *   sh tour serve     is typed in a terminal of its own, and serves until the end of the tour
 *   yaml tour FILE    is written to this file, whatever the language
 *   text tour         is what the step before it prints, up to numbers and the widths of columns
 *
 * `npx millrace` is typed as it stands the first time of a page. From then on the program is started that it has led
 * to: npx itself takes longer than most commands.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const runFile = promisify(execFile);
const NPX = 'npx millrace';
const PROGRAM = `${process.execPath} ${join(root, 'dist/cli.js')}`;

/** What stands on the page -> what is typed instead: ports and folders of the test. */
export type Replacements = readonly (readonly [string, string])[];

/** @returns what each `sh tour` printed, in order */
export async function followTour(page: string, replacements: Replacements): Promise<string[]> {
  const printed: string[] = [];
  const servers: ChildProcess[] = [];
  try {
    for (const { kind, rest, text } of afterFirst(NPX, PROGRAM, await stepsOf(page, replacements))) {
      if (kind === 'text') expect(masked(printed.at(-1) ?? '')).toBe(masked(text));
      else if (kind !== 'sh') await writeTo(resolve(root, rest), text);
      else if (rest === 'serve') servers.push(await serve(text));
      else printed.push(await type(text));
    }
    return printed;
  } finally {
    await Promise.all(servers.map(stop));
  }
}

export async function freePort(): Promise<number> {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => holder.once('listening', listening));
  const { port } = holder.address() as AddressInfo;
  await new Promise((closed) => holder.close(closed));
  return port;
}

interface Step {
  /** Language of the block. */
  readonly kind: string;
  /** What follows `tour`. */
  readonly rest: string;
  readonly text: string;
}

async function stepsOf(page: string, replacements: Replacements): Promise<Step[]> {
  const text = await readFile(join(root, page), 'utf8');
  const replaced = (part: string): string =>
    replacements.reduce((now, [from, to]) => now.replaceAll(from, to), part);
  return [...text.matchAll(/^```(\w+) tour ?(.*)\n([^]*?)^```$/gm)].map(
    ([, kind = '', rest = '', body = '']) => ({
      kind,
      rest: replaced(rest),
      text: replaced(body),
    }),
  );
}

/** Leaves the first step that has the text as it is, and replaces it in those that follow. */
function afterFirst(text: string, by: string, steps: readonly Step[]): Step[] {
  const first = steps.findIndex((step) => step.kind === 'sh' && step.text.includes(text));
  return steps.map((step, i) =>
    step.kind === 'sh' && i > first ? { ...step, text: step.text.replaceAll(text, by) } : step,
  );
}

async function type(script: string): Promise<string> {
  const { stdout } = await runFile('bash', ['-euo', 'pipefail', '-c', script], { cwd: root });
  return stdout;
}

async function serve(script: string): Promise<ChildProcess> {
  const server = spawn('bash', ['-c', `exec ${script}`], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((ready, reject) => {
    server.stdout.on('data', (chunk: Buffer) => chunk.includes('"msg":"ready"') && ready());
    server.once('exit', () => reject(new Error(`it ended: ${script}`)));
  });
  return server;
}

/** With all that it has started. */
async function stop(server: ChildProcess): Promise<void> {
  const ended = new Promise((resolved) => server.once('close', resolved));
  process.kill(-(server.pid as number), 'SIGTERM');
  await ended;
}

async function writeTo(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

function masked(text: string): string {
  return text
    .replaceAll(/\d+(\.\d+)?/g, '0')
    .replaceAll(/ +/g, ' ')
    .trim();
}
