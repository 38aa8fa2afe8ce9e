/**
 * Processes that append and apply at one place, are killed at random moments, and are replaced. A batch that was not
 * acknowledged is sent again, as a client does. What becomes of it is compared in crash-comparison.ts.
 *
 * A run ends, one way or the other: a process that ends by itself, prints what it should not, or a minute and a half in
 * which nothing becomes durable, fail it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { batchCount } from './crash-events.ts';
import { openPlace } from './open-place.ts';

export interface CrashRun {
  /** Of a place, see open-place.ts. */
  readonly address: string;
  readonly events: number;
  readonly kills: number;
  readonly processes: number;
  /** Kills what the place is kept in, and starts it again; every other time that a process is due to be killed. */
  killPlace?(): Promise<void>;
  onProgress?(done: number, total: number, kills: number): void;
}

/** Every so many times all processes are killed at once. */
const ALL_AT_ONCE = 4;
const KILL_DELAY_MS_MAX = 200;
const STALL_MS = 90_000;

/** @returns how many processes were killed; all that were are dead */
export async function appendAndKill(run: CrashRun): Promise<number> {
  // As the first worker of a server does: it makes the place before others open it.
  await (await openPlace(run.address)).close();
  return new CrashingProcesses(run).run();
}

interface Worker {
  readonly child: ChildProcess;
  readonly closed: Promise<void>;
  /** The one that it was given, and has not acknowledged. */
  batch: number | undefined;
  isKilled: boolean;
  /** What it printed that is no acknowledgement: the errors of the product. */
  printed: string;
}

class CrashingProcesses {
  private readonly options: CrashRun;
  private readonly total: number;
  private readonly workers = new Set<Worker>();
  /** Batches of processes that were killed. */
  private readonly again: number[] = [];
  private next = 0;
  private durable = 0;
  private durableAtMs = performance.now();
  private dueKills = 0;
  private dueTimes = 0;
  private killed = 0;
  private isOver = false;
  private readonly ended: Promise<void>;
  private succeed: () => void = () => undefined;
  private fail: (error: Error) => void = () => undefined;

  constructor(options: CrashRun) {
    this.options = options;
    this.total = batchCount(options.events);
    this.ended = new Promise((resolve, reject) => {
      this.succeed = resolve;
      this.fail = reject;
    });
  }

  async run(): Promise<number> {
    const watch = setInterval(() => this.lookForStall(), 1000);
    for (let i = 0; i < this.options.processes; i++) this.begin();
    try {
      await this.ended;
    } finally {
      this.isOver = true;
      clearInterval(watch);
      for (const { child } of this.workers) child.kill('SIGKILL');
      await Promise.all([...this.workers].map(async ({ closed }) => closed));
    }
    return this.killed;
  }

  private begin(): void {
    const { address, events } = this.options;
    const placeIs = this.options.killPlace === undefined ? 'steady' : 'dying';
    const args = ['--import', 'tsx', 'test/streaming/crash-worker.ts', address, String(events), placeIs];
    const child = spawn(process.execPath, args, { stdio: 'pipe' });
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const worker: Worker = { child, closed, batch: undefined, isKilled: false, printed: '' };
    this.workers.add(worker);
    // It may have been killed before it read.
    child.stdin.on('error', () => undefined);
    child.stderr.on('data', (text: Buffer) => (worker.printed += text.toString()));
    createInterface({ input: child.stdout }).on('line', (line) => this.hear(worker, line));
    child.on('error', (error) => this.fail(error));
    child.on('close', (code, signal) => this.replace(worker, `${code ?? signal}`));
  }

  private hear(worker: Worker, line: string): void {
    if (line !== 'ready' && line !== String(worker.batch)) {
      worker.printed += `${line}\n`;
      return;
    }
    if (worker.batch !== undefined) this.count();
    worker.batch = this.again.pop() ?? (this.next < this.total ? this.next++ : undefined);
    if (worker.batch !== undefined) worker.child.stdin?.write(`${worker.batch}\n`);
    this.endWhenDone();
  }

  private count(): void {
    this.durable++;
    this.durableAtMs = performance.now();
    const { kills } = this.options;
    this.options.onProgress?.(this.durable, this.total, this.killed);
    while (this.dueKills < kills && this.durable > ((this.dueKills + 1) * this.total) / (kills + 1)) {
      const atOnce = ++this.dueTimes % ALL_AT_ONCE === 0 ? this.options.processes : 1;
      const count = Math.min(atOnce, kills - this.dueKills);
      this.dueKills += count;
      const delayMs = Math.random() * KILL_DELAY_MS_MAX;
      if (this.options.killPlace !== undefined && this.dueTimes % 2 === 1) {
        setTimeout(() => void this.killPlace(count), delayMs);
        continue;
      }
      for (let i = 0; i < count; i++) setTimeout(() => this.killOne(), delayMs);
    }
  }

  private async killPlace(kills: number): Promise<void> {
    try {
      await this.options.killPlace?.();
      this.killed += kills;
      this.endWhenDone();
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Whatever it does just then: start, append, apply, or nothing. */
  private killOne(): void {
    if (this.isOver) return;
    const living = [...this.workers].filter(({ isKilled }) => !isKilled);
    const worker = living[Math.floor(Math.random() * living.length)];
    if (worker === undefined) {
      setTimeout(() => this.killOne(), 1);
      return;
    }
    worker.isKilled = true;
    worker.child.kill('SIGKILL');
  }

  private replace(worker: Worker, how: string): void {
    this.workers.delete(worker);
    if (this.isOver) return;
    const { isKilled, printed, batch } = worker;
    if (!isKilled || how !== 'SIGKILL' || printed !== '') {
      this.fail(new Error(`a process ended with ${how}, and printed: ${printed}`));
      return;
    }
    this.killed++;
    // It may be in the log or not.
    if (batch !== undefined) this.again.push(batch);
    this.endWhenDone();
    this.begin();
  }

  private endWhenDone(): void {
    if (this.durable < this.total || this.killed < this.options.kills) return;
    const printed = [...this.workers].map((worker) => worker.printed).join('');
    if (printed === '') this.succeed();
    else this.fail(new Error(`a process printed: ${printed}`));
  }

  private lookForStall(): void {
    if (performance.now() - this.durableAtMs < STALL_MS) return;
    const doing = [...this.workers].map(
      ({ child, batch, isKilled, printed }) =>
        `${child.pid} has batch ${batch ?? 'none'}${isKilled ? ', is killed' : ''}, printed: ${printed}`,
    );
    const sentence = `no batch became durable in ${STALL_MS} ms; ${this.durable} of ${this.total} are`;
    this.fail(new Error([sentence, ...doing].join('\n')));
  }
}
