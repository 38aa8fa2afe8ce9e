/** `millrace serve --workers 2` for tests: started, watched and cleaned up. */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach } from 'vitest';
import { goodFlight } from '../../e2e/demo-server.ts';
import { writeOneModelProject } from '../one-model-project.ts';
import { startCaller } from './caller.ts';
import type { Caller } from './caller.ts';
import { start } from '../process.ts';
import type { Running } from '../process.ts';

export interface WorkerGroup {
  readonly running: Running;
  readonly url: string;
  readonly predictUrl: string;
  /** Process ids of all workers so far, in the order in which they became ready. */
  readonly pids: () => Promise<number[]>;
}

export interface WorkerGroups {
  /** A folder that goes when the tests have ended. */
  folder(name: string): Promise<string>;
  /** A project of one's own, which answers flights. */
  project(): Promise<string>;
  hangSwitch(): Promise<HangSwitch>;
  /** Two workers that are ready. They are ended after the test. */
  serve(project?: string, options?: readonly string[], env?: NodeJS.ProcessEnv): Promise<WorkerGroup>;
  /** The same two workers for all tests that leave two behind, and count from what they find. */
  shared(): Promise<WorkerGroup>;
}

export const flight: unknown = { rows: [goodFlight] };

/** While it is on, workers hang at their start. */
export interface HangSwitch {
  readonly env: NodeJS.ProcessEnv;
  on(): Promise<void>;
  off(): Promise<void>;
}

/** To be called once by a test file. */
export function workerGroups(): WorkerGroups {
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-workers-'));
  const started: Running[] = [];
  beforeEach(({ skip }) => {
    skip(process.platform !== 'linux', 'several workers need Linux');
  });
  let shared: Promise<WorkerGroup> | undefined;
  afterEach(async () => end(started.splice(0)));
  afterAll(async () => {
    if (shared !== undefined) await end([(await shared).running]);
    rmSync(scratch, { recursive: true, force: true });
  });
  const folder = async (name: string): Promise<string> => mkdtemp(join(scratch, `${name}-`));
  const project = async (): Promise<string> => {
    const dir = await folder('project');
    await writeOneModelProject(dir);
    return dir;
  };
  return {
    folder,
    project,
    async hangSwitch() {
      const dir = await folder('hang');
      const [preload, flag] = [join(dir, 'preload.mjs'), join(dir, 'workers-hang')];
      const condition = `process.argv[2] === 'worker' && existsSync('${flag}')`;
      const stop = `process.kill(process.pid, 'SIGSTOP')`;
      await writeFile(preload, `import { existsSync } from 'node:fs';\nif (${condition}) ${stop};\n`);
      return {
        env: { NODE_OPTIONS: `--import ${preload}` },
        on: async () => writeFile(flag, ''),
        off: async () => rm(flag),
      };
    },
    async serve(served, options = [], env = {}) {
      const dir = served ?? (await project());
      const args = ['--project', dir, '--data', await folder('data'), '--port', '0', '--workers', '2'];
      const running = start(['serve', ...args, ...options], { env });
      started.push(running);
      return groupOf(running);
    },
    async shared() {
      shared ??= project().then(async (dir) =>
        groupOf(start(['serve', '--project', dir, '--port', '0', '--workers', '2'])),
      );
      return shared;
    },
  };
}

async function end(groups: readonly Running[]): Promise<void> {
  for (const { child } of groups) child.kill('SIGTERM');
  await Promise.all(groups.map(async ({ finished }) => finished));
}

/** Resolves when it is ready. */
async function groupOf(running: Running): Promise<WorkerGroup> {
  const port = (await running.printed(/"port":(\d+),"msg":"listening"/))[1] as string;
  await running.printed(/"msg":"ready"/);
  const url = `http://127.0.0.1:${port}`;
  return { running, url, predictUrl: `${url}/v1/endpoints/flight-delay/predict`, pids: pidsOf(running) };
}

function pidsOf(running: Running): () => Promise<number[]> {
  return async () => {
    const [output] = await running.printed(/^[^]*$/);
    return [...output.matchAll(/"pid":(\d+).*"msg":"worker ready"/g)].map(([, pid]) => Number(pid));
  };
}

/** Callers over connections of their own, until each of the two workers has some, and all have been answered. */
export async function callersOfBoth(group: WorkerGroup, countMin: number): Promise<Caller[]> {
  const callers: Caller[] = [];
  const processes = (): Set<string | undefined> => new Set(callers.map(({ lastProcess }) => lastProcess));
  while (callers.length < countMin || processes().size < 2) {
    const caller = startCaller(group.predictUrl, flight, true);
    callers.push(caller);
    await until(() => caller.answerCount > 0 || caller.failureCount > 0);
  }
  return callers;
}

/** The value of a metric, summed over the labels that are not given. */
export function metric(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return text
    .split('\n')
    .filter((line) => new RegExp(`^${name}[ {]`).test(line) && wanted.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** For what no event tells of, such as the end of another process's child. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
