/**
 * One worker thread with one session: runs there leave the event loop free. A run costs about 30 us of the event
 * loop's time and one copy of its inputs; a message there and back takes about 15 us when the thread is awake and
 * 70 us when it sleeps.
 *
 * Inputs are copied into memory that goes to the thread with the message and comes back with the reply, to be used for
 * the next run: the caller keeps its own, also when the thread dies.
 *
 * A thread is never terminated: ONNX Runtime would abort the process. It is asked to close, between runs.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { MillraceError } from '../errors.ts';
import { markBusy } from './exit-guard.ts';
import type { ExitGuard } from './exit-guard.ts';
import type { ModelSession, TensorData, TensorValue } from './session.ts';
import { fromPlainError, transferables } from './worker-message.ts';
import type { WorkerReply, WorkerRequest, WorkerSettings } from './worker-message.ts';

export interface ThreadSettings {
  readonly path: string;
  readonly exitGuard: ExitGuard;
  /** For runs that nobody waits for: the thread gets what others leave of the processors (on Linux). Default false. */
  readonly isBackground?: boolean;
  /**
   * Most memory of the thread's own JavaScript objects, strings of tensors among them; the model's is not counted. The
   * thread ends when it is reached while it takes a message; ONNX Runtime ends the process when it reaches it itself,
   * so the default is the runtime's own, which is large.
   */
  readonly heapMbMax?: number | undefined;
}

export type ThreadSpecs = Pick<ModelSession, 'inputs' | 'outputs' | 'refusedOutputs'>;

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: MillraceError): void;
}

export class ModelThread {
  /** Rejects with INVALID_MODEL if the model cannot be loaded, WORKER_LOST if the thread ends before it is. */
  readonly opened: Promise<ThreadSpecs>;
  /** Resolves when the thread has ended, with the reason if nobody closed it. */
  readonly ended: Promise<string | undefined>;
  private readonly path: string;
  private readonly worker: Worker;
  private readonly busy = new Int32Array(new SharedArrayBuffer(4));
  private opening: Waiting<ThreadSpecs> | undefined;
  private running: Waiting<readonly TensorValue[]> | undefined;
  /** Memory of the last run's inputs, to be used again. */
  private spent: readonly TensorData[] = [];
  private isClosing = false;
  private fault: string | undefined;

  constructor({ path, exitGuard, isBackground = false, heapMbMax }: ThreadSettings) {
    this.path = path;
    markBusy(this.busy);
    exitGuard.watch(this.busy);
    const settings: WorkerSettings = { path, isBackground, busy: this.busy.buffer };
    this.worker = new Worker(workerFile(), {
      workerData: settings,
      // Options of the process, such as loaders, are not for the thread.
      execArgv: [],
      resourceLimits: heapMbMax === undefined ? {} : { maxOldGenerationSizeMb: heapMbMax },
    });
    this.worker.on('message', (reply: WorkerReply) => this.take(reply));
    this.worker.on('error', (error) => {
      this.fault = error instanceof Error ? error.message : String(error);
    });
    this.opened = new Promise((resolve, reject) => {
      this.opening = { resolve, reject };
    });
    this.ended = new Promise((resolve) => {
      this.worker.once('exit', (code) => {
        exitGuard.unwatch(this.busy);
        resolve(this.end(code));
      });
    });
  }

  /**
   * One run; the next may start when it has settled.
   * @throws MillraceError MODEL_FAILED, WORKER_LOST
   */
  async run(inputs: readonly TensorValue[], fetch?: readonly number[]): Promise<readonly TensorValue[]> {
    if (this.running !== undefined) throw new Error('a thread makes one run at a time');
    const sent = inputs.map(({ data, dims }, i) => ({ data: copyInto(this.spent[i], data), dims }));
    return new Promise((resolve, reject) => {
      this.running = { resolve, reject };
      this.send({ kind: 'run', inputs: sent, fetch }, transferables(sent.map(({ data }) => data)));
    });
  }

  /** Frees the model and ends the thread; waits for its run. */
  async close(): Promise<void> {
    if (!this.isClosing) {
      this.isClosing = true;
      this.send({ kind: 'close' }, []);
    }
    await this.ended;
  }

  private send(request: WorkerRequest, handedOver: readonly ArrayBuffer[]): void {
    markBusy(this.busy);
    this.worker.postMessage(request, handedOver);
  }

  private take(reply: WorkerReply): void {
    switch (reply.kind) {
      case 'opened':
        this.opening?.resolve(reply);
        return;
      case 'refused':
        this.isClosing = true;
        this.opening?.reject(fromPlainError(reply.error));
        return;
      default: {
        const { running } = this;
        this.running = undefined;
        this.spent = reply.spent;
        if (reply.kind === 'answered') running?.resolve(reply.outputs);
        else running?.reject(fromPlainError(reply.error));
      }
    }
  }

  /** Tells those who wait that nothing comes any more; gives the reason of an end that nobody asked for. */
  private end(exitCode: number): string | undefined {
    const reason = this.fault ?? `it ended with the code ${exitCode}`;
    const lost = new MillraceError('WORKER_LOST', `A worker thread of ${this.path} ended: ${reason}.`);
    this.opening?.reject(lost);
    this.running?.reject(lost);
    this.running = undefined;
    return this.isClosing ? undefined : reason;
  }
}

/** The values in memory that may be handed over: that of the last run, if it is large enough. */
function copyInto(spent: TensorData | undefined, data: TensorData): TensorData {
  if (Array.isArray(data)) return data;
  if (spent === undefined || Array.isArray(spent) || spent.buffer.byteLength < data.byteLength)
    return data.slice();
  const Elements = data.constructor as new (
    buffer: ArrayBufferLike,
    at: number,
    length: number,
  ) => typeof data;
  const copy = new Elements(spent.buffer, 0, data.length);
  (copy as { set(values: unknown): void }).set(data);
  return copy;
}

/** Beside this file when it is compiled; in dist/ when TypeScript runs from src/, as in tests. */
function workerFile(): URL {
  const places = ['./session-worker.js', '../../dist/inference/session-worker.js'];
  const found = places.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(url));
  if (found !== undefined) return found;
  const missing = fileURLToPath(new URL(places[1] as string, import.meta.url));
  throw new MillraceError('STARTUP_FAILED', `${missing} is missing: run npm run build first.`);
}
