/**
 * A model in several worker threads, as one session. Each thread holds the model by itself, so memory grows with their
 * number; runs are given to the thread that has been idle longest.
 *
 * A thread that ends by itself (out of memory, a fault) fails its run with WORKER_LOST and is replaced, at once the
 * first time, then after a delay that doubles until a run succeeds. Meanwhile runs wait for the threads that are left,
 * or for the new one; they fail if it cannot be started either.
 */
import { MillraceError } from '../errors.ts';
import { ModelThread } from './model-thread.ts';
import type { ThreadSettings, ThreadSpecs } from './model-thread.ts';
import type { ModelSession, TensorSpec, TensorValue } from './session.ts';

export interface WorkerSessionOptions extends Omit<ThreadSettings, 'path'> {
  readonly threads: number;
  /** A thread ended by itself and is replaced after `delayMs`. */
  readonly onRestart?: (reason: string, delayMs: number) => void;
}

const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 5000;

/**
 * Loads a model file in `threads` worker threads.
 * @throws MillraceError INVALID_MODEL as `openSession`, WORKER_LOST
 */
export async function openWorkerSession(path: string, options: WorkerSessionOptions): Promise<ModelSession> {
  const threads = Array.from({ length: options.threads }, () => new ModelThread({ ...options, path }));
  const opened = await Promise.allSettled(threads.map(async (thread) => thread.opened));
  const failed = opened.find((result) => result.status === 'rejected');
  const [first] = opened;
  if (failed === undefined && first?.status === 'fulfilled') {
    return new WorkerSession(path, options, first.value, threads);
  }
  await Promise.all(threads.map(async (thread) => thread.close()));
  throw failed?.reason;
}

interface WaitingRun {
  take(thread: ModelThread): void;
  fail(error: MillraceError): void;
}

class WorkerSession implements ModelSession {
  readonly path: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly refusedOutputs: ModelSession['refusedOutputs'];
  readonly threads: number;
  private readonly options: WorkerSessionOptions;
  private readonly alive = new Set<ModelThread>();
  private readonly starting = new Set<ModelThread>();
  private readonly idle: ModelThread[] = [];
  private readonly waiting: WaitingRun[] = [];
  private readonly restarts = new Set<NodeJS.Timeout>();
  /** Ends of threads since the last run that succeeded. */
  private failures = 0;
  private runsInFlight = 0;
  private onIdle: (() => void) | undefined;
  private released: Promise<void> | undefined;

  constructor(
    path: string,
    options: WorkerSessionOptions,
    specs: ThreadSpecs,
    threads: readonly ModelThread[],
  ) {
    this.path = path;
    this.options = options;
    this.inputs = specs.inputs;
    this.outputs = specs.outputs;
    this.refusedOutputs = specs.refusedOutputs;
    this.threads = threads.length;
    for (const thread of threads) this.add(thread);
  }

  get isAlive(): boolean {
    return this.alive.size > 0;
  }

  async run(inputs: readonly TensorValue[], fetch?: readonly number[]): Promise<readonly TensorValue[]> {
    if (this.released !== undefined) throw this.unloading();
    this.runsInFlight++;
    try {
      const thread = this.idle.shift() ?? (await this.nextThread());
      try {
        const outputs = await thread.run(inputs, fetch);
        this.failures = 0;
        return outputs;
      } finally {
        if (this.alive.has(thread)) this.giveBack(thread);
      }
    } finally {
      this.runsInFlight--;
      if (this.runsInFlight === 0) this.onIdle?.();
    }
  }

  release(): Promise<void> {
    this.released ??= this.releaseWhenIdle();
    return this.released;
  }

  private async nextThread(): Promise<ModelThread> {
    return new Promise((take, fail) => this.waiting.push({ take, fail }));
  }

  private giveBack(thread: ModelThread): void {
    const next = this.waiting.shift();
    if (next === undefined) this.idle.push(thread);
    else next.take(thread);
  }

  private add(thread: ModelThread): void {
    this.alive.add(thread);
    this.giveBack(thread);
    void this.whenEnded(thread);
  }

  private async whenEnded(thread: ModelThread): Promise<void> {
    const reason = await thread.ended;
    this.alive.delete(thread);
    const at = this.idle.indexOf(thread);
    if (at !== -1) this.idle.splice(at, 1);
    if (reason !== undefined) this.replace(reason);
  }

  private replace(reason: string): void {
    if (this.released !== undefined) return this.failWaiting(this.unloading());
    const delayMs =
      this.failures === 0 ? 0 : Math.min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** (this.failures - 1));
    this.failures++;
    this.options.onRestart?.(reason, delayMs);
    const timer = setTimeout(() => {
      this.restarts.delete(timer);
      void this.restart();
    }, delayMs);
    this.restarts.add(timer);
  }

  private async restart(): Promise<void> {
    const thread = new ModelThread({ ...this.options, path: this.path });
    this.starting.add(thread);
    try {
      await thread.opened;
    } catch (error) {
      this.failWaiting(
        new MillraceError('WORKER_LOST', `${this.path} has no worker thread that could run it.`),
      );
      return this.replace(error instanceof Error ? error.message : String(error));
    } finally {
      // Of a session that is being released, whoever waits for its last run closes what is still in here.
      if (this.released === undefined) this.starting.delete(thread);
    }
    if (this.released === undefined) this.add(thread);
  }

  private failWaiting(error: MillraceError): void {
    if (this.alive.size > 0) return;
    for (const run of this.waiting.splice(0)) run.fail(error);
  }

  private unloading(): MillraceError {
    return new MillraceError('NOT_READY', `The model ${this.path} is being unloaded.`);
  }

  private async releaseWhenIdle(): Promise<void> {
    for (const timer of this.restarts) clearTimeout(timer);
    this.failWaiting(this.unloading());
    if (this.runsInFlight > 0) {
      await new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
    }
    await Promise.all([...this.alive, ...this.starting].map(async (thread) => thread.close()));
  }
}
