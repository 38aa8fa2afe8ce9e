/**
 * One worker as the supervisor sees it: a forked process, from its start to its end. `ready` and `ended` settle once
 * each; the last metrics that it reported outlive it.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { MillraceError } from '../../errors.ts';
import type { MetricFamily } from '../../telemetry/merge-families.ts';
import type { Change } from '../../server/lifecycle.ts';
import type { ChangeProblem, FromWorker, ReportPart, ToWorker } from './messages.ts';

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** How long it had been ready. */
  readonly servedMs: number;
}

export interface WorkerProcessOptions {
  /** A worker that is not ready by then is killed. */
  readonly startTimeoutMs: number;
  /** Besides that of this process. */
  readonly env: Readonly<Record<string, string>>;
  /** Gives the metrics of all workers, for a caller who asked this one. */
  readonly collect: () => Promise<string>;
  /** Makes a change in all workers; gives what went wrong. */
  readonly changeAll: (change: Change) => Promise<ChangeProblem | undefined>;
}

/** Beyond the time in which a draining worker ends by itself. */
const KILL_AFTER_MS = 5000;

export class WorkerProcess {
  readonly number: number;
  state: 'starting' | 'ready' | 'draining' = 'starting';
  /** Resolves with the port when it serves; rejects with a MillraceError if it ends before that. */
  readonly ready: Promise<number>;
  readonly ended: Promise<WorkerEnd>;
  /** By name, as last reported. */
  readonly families: Map<string, MetricFamily> = new Map();
  private readonly child: ChildProcess;
  private readonly questions = new Map<number, () => void>();
  private readonly changes = new Map<number, (problem: ChangeProblem | undefined) => void>();
  /** Changes that were made while it started, and that it may not have seen. */
  readonly missed: Change[] = [];
  private questionCount = 0;
  private readyAtMs = Infinity;
  private drainTimeoutMs = 0;
  private killTimer: NodeJS.Timeout | undefined;
  private readonly startTimer: NodeJS.Timeout;
  private readonly startTimeoutMs: number;
  private isStartOver = false;

  constructor(number: number, options: WorkerProcessOptions) {
    this.number = number;
    this.startTimeoutMs = options.startTimeoutMs;
    // Infinity and NaN are values of metrics, and JSON has neither.
    this.child = fork(process.argv[1] as string, ['worker'], {
      env: { ...process.env, ...options.env },
      serialization: 'advanced',
    });
    this.child.on('message', (message) => this.receive(message as FromWorker, options));
    this.startTimer = setTimeout(() => {
      this.isStartOver = true;
      this.kill();
    }, options.startTimeoutMs);
    this.ended = this.whenEnded();
    this.ready = this.whenReady();
    // Whoever starts it may have been told to stop meanwhile, and wait for it no more.
    this.ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Asks for its metrics; resolves with whether it answered within the limit. */
  async report(part: ReportPart, limitMs: number): Promise<boolean> {
    const id = ++this.questionCount;
    return new Promise((resolve) => {
      const settle = (isAnswered: boolean): void => {
        clearTimeout(timer);
        this.questions.delete(id);
        resolve(isAnswered);
      };
      const timer = setTimeout(settle, limitMs, false);
      this.questions.set(id, () => settle(true));
      this.send({ type: 'report', id, part });
    });
  }

  /** Makes a change in it; resolves with what went wrong. */
  async change(change: Change): Promise<ChangeProblem | undefined> {
    const id = ++this.questionCount;
    const answered = new Promise<ChangeProblem | undefined>((resolve) => this.changes.set(id, resolve));
    this.send({ type: 'change', id, change });
    // One that ends starts again with the project as it then is.
    const ended = this.ended.then(() => undefined);
    return Promise.race([answered, ended]).finally(() => this.changes.delete(id));
  }

  /** Hands a connection over, which is then its. */
  take(connection: Socket): void {
    const message: ToWorker = { type: 'connection' };
    this.child.send(message, connection, { keepOpen: false }, (error) => {
      if (error !== null) connection.destroy();
    });
  }

  /** Lets it finish and end; it is killed if that takes longer than its project allows. May be called again. */
  drain(lingers: boolean): void {
    // One that serves nobody has nothing to finish.
    if (this.state === 'starting') return this.kill();
    this.state = 'draining';
    this.send({ type: 'drain', lingers });
    this.killTimer ??= setTimeout(() => this.kill(), this.drainTimeoutMs + KILL_AFTER_MS);
  }

  /** Ends it at once. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  private send(message: ToWorker): void {
    // It may be gone already; `ended` tells.
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  private receive(message: FromWorker, { collect, changeAll }: WorkerProcessOptions): void {
    if (message.type === 'report') {
      for (const family of message.families) this.families.set(family.name, family);
      this.questions.get(message.id)?.();
    } else if (message.type === 'collect') {
      void collect().then((text) => this.send({ type: 'collected', text }));
    } else if (message.type === 'ask') {
      const { id, change } = message;
      void changeAll(change).then((problem) => this.send({ type: 'asked', id, problem }));
    } else if (message.type === 'changed') {
      this.changes.get(message.id)?.(message.problem);
    }
  }

  private async whenEnded(): Promise<WorkerEnd> {
    return new Promise((resolve) => {
      const settle = (code: number | null, signal: NodeJS.Signals | null): void => {
        clearTimeout(this.startTimer);
        clearTimeout(this.killTimer);
        resolve({ code, signal, servedMs: Math.max(0, performance.now() - this.readyAtMs) });
      };
      // Not `exit`, which may overtake the last message.
      this.child.once('close', settle);
      this.child.on('error', () => {
        if (this.child.pid === undefined) settle(null, null);
      });
    });
  }

  private async whenReady(): Promise<number> {
    return new Promise((resolve, reject) => {
      const receive = (message: FromWorker): void => {
        if (message.type === 'failed') reject(new MillraceError(message.code, message.message));
        if (message.type !== 'ready') return;
        clearTimeout(this.startTimer);
        this.state = 'ready';
        this.readyAtMs = performance.now();
        this.drainTimeoutMs = message.drainTimeoutMs;
        resolve(message.port);
      };
      this.child.on('message', (message) => receive(message as FromWorker));
      void this.ended.then((end) => reject(this.endedEarly(end)));
    });
  }

  private endedEarly({ code, signal }: WorkerEnd): MillraceError {
    const how = signal === null ? `ended with exit code ${code}` : `ended by ${signal}`;
    const late = `was not ready after ${this.startTimeoutMs / 1000} s (--start-timeout), and was killed`;
    const sentence = this.isStartOver ? late : `${how} before it was ready`;
    return new MillraceError('STARTUP_FAILED', `worker ${this.number} ${sentence}`);
  }
}
