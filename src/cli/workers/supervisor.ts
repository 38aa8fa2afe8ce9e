/**
 * Keeps a number of worker processes serving one port: starts them, replaces those that end by themselves, restarts
 * them one by one with the project as it is now, and lets them finish. It serves nothing itself and keeps no
 * connection, so a request costs it nothing.
 *
 * Each slot has at most one worker that is meant to serve. A worker that was replaced drains beside it and belongs to
 * no slot any more, so that its end starts nothing.
 */
import type { Socket } from 'node:net';
import { MillraceError } from '../../errors.ts';
import type { Change } from '../../server/lifecycle.ts';
import type { PortSharing } from '../../server/listen.ts';
import type { Log } from '../../telemetry/log.ts';
import { failuresInRow, restartDelayMs } from './restart-delay.ts';
import { createWorkerMetrics } from './worker-metrics.ts';
import type { WorkerMetrics } from './worker-metrics.ts';
import type { ChangeProblem } from './messages.ts';
import { WorkerProcess } from './worker-process.ts';
import type { WorkerEnd } from './worker-process.ts';

export interface SupervisorOptions {
  readonly workerCount: number;
  /** 0 = any free port. */
  readonly port: number;
  readonly log: Log;
  /** A worker that is not ready by then is killed. */
  readonly startTimeoutMs: number;
  /** What a worker has in its environment besides. */
  workerEnv(place: WorkerPlace): Readonly<Record<string, string>>;
  /** @throws MillraceError if the project as it is now has mistakes */
  checkProject(): Promise<unknown>;
}

/** What tells a worker from the others. */
export interface WorkerPlace {
  readonly number: number;
  readonly port: number;
  readonly sharing: PortSharing;
  readonly unloaded: readonly string[];
}

interface Slot {
  readonly number: number;
  worker: WorkerProcess | undefined;
  /** Ends by itself, in a row. */
  failures: number;
  restart: NodeJS.Timeout | undefined;
}

const HEARTBEAT_MS = 1000;
/** A worker that is silent for this many heartbeats keeps its part of the connections waiting for nothing. */
const SILENT_HEARTBEATS_MAX = 30;

export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly slots: readonly Slot[];
  /** Every process that has not ended. */
  private readonly workers = new Set<WorkerProcess>();
  private readonly silences = new Map<WorkerProcess, number>();
  private readonly metrics: WorkerMetrics;
  private readonly reloads = { done: 0, failed: 0 };
  private restarts = 0;
  private handedOver = 0;
  /** Models that calls have unloaded: a worker that starts does not load them. */
  private readonly unloaded = new Set<string>();
  /** The last change of all workers: they are made one after the other. */
  private changing: Promise<unknown> = Promise.resolve();
  private port: number;
  private phase: 'starting' | 'serving' | 'stopping' = 'starting';
  private heartbeat: NodeJS.Timeout | undefined;
  private reloading: Promise<void> | undefined;
  private isReloadAsked = false;
  /** Whether every worker that was to end with this process ended in time. */
  private isClean = true;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.port = options.port;
    this.slots = Array.from({ length: options.workerCount }, (_, i) => ({
      number: i + 1,
      worker: undefined,
      failures: 0,
      restart: undefined,
    }));
    this.metrics = createWorkerMetrics(this.workers, () => ({
      waiting: this.slots.filter(({ worker }) => worker === undefined).length,
      restarts: this.restarts,
      reloads: this.reloads,
    }));
  }

  /**
   * Resolves with the port once all workers serve. The first one is alone until it is ready: it finds out whether the
   * port is free and the models load, so that a mistake is told once.
   * @throws MillraceError if a worker ends before all are ready; the others are ended too
   */
  async start(): Promise<number> {
    try {
      for (const slots of [this.slots.slice(0, 1), this.slots.slice(1)]) {
        const started = slots.map((slot) => this.launch(slot));
        const ports = await Promise.all(started.map(async (worker) => worker.ready));
        this.port = ports[0] ?? this.port;
      }
      const lost = this.slots.find(({ worker }) => worker === undefined);
      if (lost !== undefined) {
        throw new MillraceError(
          'STARTUP_FAILED',
          `worker ${lost.number} ended while the others were starting`,
        );
      }
    } catch (error) {
      this.kill();
      throw error;
    }
    this.phase = 'serving';
    this.heartbeat = setInterval(() => this.beat(), HEARTBEAT_MS);
    return this.port;
  }

  /** Replaces the workers one by one. One that is asked for meanwhile follows. */
  async reload(): Promise<void> {
    this.isReloadAsked = true;
    this.reloading ??= this.reloadWhileAsked().finally(() => (this.reloading = undefined));
    return this.reloading;
  }

  /** Lets all workers finish; resolves with whether they all ended in time. */
  async stop(): Promise<boolean> {
    this.phase = 'stopping';
    clearInterval(this.heartbeat);
    for (const { restart } of this.slots) clearTimeout(restart);
    await Promise.all(
      [...this.workers].map(async (worker) => {
        worker.drain(false);
        return worker.ended;
      }),
    );
    return this.isClean;
  }

  /** Gives a connection for gRPC to one worker after the other; without one that is ready it is closed. */
  handOver(connection: Socket): void {
    const ready = [...this.workers].filter((worker) => worker.state === 'ready');
    const next = ready[this.handedOver++ % ready.length];
    if (next === undefined) connection.destroy();
    else next.take(connection);
  }

  /** Ends all workers at once. */
  kill(): void {
    this.phase = 'stopping';
    for (const worker of this.workers) worker.kill();
  }

  private launch(slot: Slot): WorkerProcess {
    slot.worker = this.startProcess(slot);
    return slot.worker;
  }

  private startProcess(slot: Slot): WorkerProcess {
    const sharing = this.phase === 'starting' && slot.number === 1 ? 'first' : 'join';
    const { number } = slot;
    const unloaded = [...this.unloaded];
    const worker = new WorkerProcess(number, {
      startTimeoutMs: this.options.startTimeoutMs,
      env: this.options.workerEnv({ number, port: this.port, sharing, unloaded }),
      collect: async () => this.metrics.collect(),
      changeAll: async (change) => this.changeAll(change),
    });
    this.workers.add(worker);
    void worker.ended.then((end) => this.onEnd(slot, worker, end));
    void worker.ready.then(async () => this.catchUp(worker)).catch(() => undefined);
    return worker;
  }

  /** What one worker was asked for over HTTP, all of them do, in one order, before the caller is answered. */
  private async changeAll(change: Change): Promise<ChangeProblem | undefined> {
    const made = this.changing.then(async () => this.changeReady(change));
    this.changing = made;
    return made;
  }

  private async changeReady(change: Change): Promise<ChangeProblem | undefined> {
    const workers = [...this.workers];
    // They may have read the project before.
    for (const worker of workers) if (worker.state === 'starting') worker.missed.push(change);
    const ready = workers.filter(({ state }) => state === 'ready');
    const problems = await Promise.all(ready.map(async (worker) => worker.change(change)));
    // One that was started meanwhile was told what was unloaded before.
    for (const worker of this.workers) {
      if (workers.includes(worker)) continue;
      if (worker.state === 'starting') worker.missed.push(change);
      else if (worker.state === 'ready') problems.push(await worker.change(change));
    }
    const problem = problems.find((each) => each !== undefined);
    if (problem === undefined && change.kind === 'unload') this.unloaded.add(change.model);
    if (problem === undefined && change.kind === 'load') this.unloaded.delete(change.model);
    if (problem !== undefined && problems.includes(undefined))
      this.options.log.error(
        { ...change, because: problem.message },
        'some workers have not made a change that others have',
      );
    return problem;
  }

  private async catchUp(worker: WorkerProcess): Promise<void> {
    const before = this.changing;
    const caughtUp = (async () => {
      await before;
      for (const change of worker.missed.splice(0)) await worker.change(change);
    })();
    this.changing = caughtUp;
    return caughtUp;
  }

  private onEnd(slot: Slot, worker: WorkerProcess, end: WorkerEnd): void {
    this.workers.delete(worker);
    this.silences.delete(worker);
    this.metrics.keep(worker);
    if (this.phase === 'stopping' && worker.state === 'draining' && end.code !== 0) {
      this.isClean = false;
      const { code, signal } = end;
      this.options.log.error(
        { worker: slot.number, worker_pid: worker.pid, code, signal },
        'a worker did not end well',
      );
    }
    if (slot.worker !== worker) return;
    slot.worker = undefined;
    if (this.phase === 'serving') this.scheduleRestart(slot, worker, end);
  }

  private scheduleRestart(slot: Slot, worker: WorkerProcess, { code, signal, servedMs }: WorkerEnd): void {
    slot.failures = failuresInRow(slot.failures, servedMs);
    const delayMs = restartDelayMs(slot.failures);
    this.restarts++;
    this.options.log.error(
      { worker: slot.number, worker_pid: worker.pid, code, signal, restart_in_ms: delayMs },
      'a worker ended; it is started again',
    );
    slot.restart = setTimeout(() => {
      // A reload may have filled the slot.
      if (slot.worker !== undefined) return;
      this.launch(slot).ready.catch((error: unknown) => {
        if (this.phase === 'serving')
          this.options.log.error({ worker: slot.number }, (error as Error).message);
      });
    }, delayMs);
  }

  private beat(): void {
    for (const worker of this.workers) void this.askForLife(worker);
  }

  private async askForLife(worker: WorkerProcess): Promise<void> {
    if (worker.state !== 'ready') return;
    const isAlive = await worker.report('counts', HEARTBEAT_MS);
    if (!this.workers.has(worker)) return;
    const silence = isAlive ? 0 : (this.silences.get(worker) ?? 0) + 1;
    this.silences.set(worker, silence);
    if (silence !== SILENT_HEARTBEATS_MAX) return;
    this.options.log.error({ worker: worker.number, worker_pid: worker.pid }, 'a worker hangs; it is killed');
    worker.kill();
  }

  private async reloadWhileAsked(): Promise<void> {
    while (this.isReloadAsked && this.phase === 'serving') {
      this.isReloadAsked = false;
      const { log } = this.options;
      try {
        await this.reloadOnce();
        if (this.phase !== 'serving') return;
        this.reloads.done++;
        log.info('reloaded');
      } catch (error) {
        if (this.phase !== 'serving') return;
        this.reloads.failed++;
        log.error(
          { reason: (error as Error).message },
          'the reload failed; the workers not yet replaced go on as they are',
        );
      }
    }
  }

  private async reloadOnce(): Promise<void> {
    this.options.log.info({ workers: this.slots.length }, 'reloading');
    await this.options.checkProject();
    for (const slot of this.slots) {
      if (this.phase !== 'serving') return;
      const next = this.startProcess(slot);
      await next.ready;
      const old = slot.worker;
      clearTimeout(slot.restart);
      slot.worker = next;
      slot.failures = 0;
      // The next one waits until this one has ended, so that the memory holds one worker more than usual, not more.
      old?.drain(true);
      await old?.ended;
    }
  }
}
