/**
 * What all exchanges of one server share: its phase, its limits, the requests that are open, and the request ids.
 */
import { randomBytes } from 'node:crypto';
import type { Limits } from '../project/project.ts';
import type { Log } from '../telemetry/log.ts';
import { createDeadlineQueue } from './deadline-queue.ts';
import type { DeadlineQueue } from './deadline-queue.ts';
import { Generation } from './generation.ts';

/** starting: loading and warming models. ready: serving. draining: finishes what is in flight, takes nothing new. */
export type Phase = 'starting' | 'ready' | 'draining';

/** Most bytes of bodies that may be arriving at once. */
export const ARRIVING_BYTES_MAX: number = 256 * 1024 * 1024;
/** Most bytes of answers that WebSockets may leave unread at once. */
export const SENDING_BYTES_MAX: number = 256 * 1024 * 1024;

export class ServerState {
  phase: Phase = 'starting';
  /** Requests whose headers came in and that are not answered yet. */
  open = 0;
  /** HTTP connections, idle ones as well. */
  connections = 0;
  /** Open WebSockets. */
  sockets = 0;
  /** Bytes of bodies that are still arriving. */
  arrivingBytes = 0;
  /** Bytes of answers that were sent to WebSockets and not read yet. */
  sendingBytes = 0;
  /** gRPC calls that wait for their answer. */
  answeringCalls = 0;
  limits: Limits;
  readonly log: Log;
  /** Requests whose body is still arriving. */
  arriving: DeadlineQueue;
  /** Requests that wait for their answer. */
  answering: DeadlineQueue;
  /** What the requests that come now are answered by. */
  generation: Generation = new Generation();
  private readonly idPrefix = randomBytes(6).toString('base64url');
  private idCount = 0;
  private lingers = false;
  private messagesUntilMs = Infinity;
  private onIdle: (() => void) | undefined = undefined;

  constructor(limits: Limits, log: Log) {
    this.limits = limits;
    this.log = log;
    this.arriving = queueOf(limits.bodyTimeoutMs);
    this.answering = queueOf(limits.timeoutMs);
  }

  /** Whether as many requests wait for their answer as may at once. */
  get isFull(): boolean {
    return this.answering.size + this.answeringCalls >= this.limits.inFlightMax;
  }

  /** Whether open WebSockets may still ask. One that always asks would else keep a server from its end. */
  get takesMessages(): boolean {
    return this.phase !== 'draining' || performance.now() < this.messagesUntilMs;
  }

  /** Nothing new from now on. A server that lingers goes on with its open WebSockets for half of the time. */
  drain(): void {
    this.phase = 'draining';
    this.messagesUntilMs = this.lingers ? performance.now() + this.limits.drainTimeoutMs / 2 : 0;
  }

  /**
   * From now on requests belong to another definition of the project, with limits of its own. Those that are open keep
   * the deadlines that they have.
   * @returns the generation before
   */
  succeed(limits: Limits): Generation {
    const before = this.generation;
    this.generation = new Generation();
    const { bodyTimeoutMs, timeoutMs } = this.limits;
    this.limits = limits;
    if (limits.bodyTimeoutMs !== bodyTimeoutMs) {
      this.arriving.retire();
      this.arriving = queueOf(limits.bodyTimeoutMs);
    }
    if (limits.timeoutMs !== timeoutMs) {
      this.answering.retire();
      this.answering = queueOf(limits.timeoutMs);
    }
    return before;
  }

  /** Unique among processes by the prefix, within one by the count; randomness once a process, not once a call. */
  nextRequestId(): string {
    return `${this.idPrefix}-${(++this.idCount).toString(36)}`;
  }

  closeOne(): void {
    this.open--;
    this.tellIdle();
  }

  disconnectOne(): void {
    this.connections--;
    this.tellIdle();
  }

  /** Whether a server counts as idle only when its callers have left their connections. */
  linger(lingers: boolean): void {
    this.lingers = lingers;
    this.tellIdle();
  }

  /** Resolves when the server is idle, or after the time limit; with whether no request is open. */
  async whenIdle(limitMs: number): Promise<boolean> {
    if (this.isIdle) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(this.open === 0), limitMs);
      this.onIdle = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  close(): void {
    this.arriving.close();
    this.answering.close();
  }

  private get isIdle(): boolean {
    return this.open === 0 && (!this.lingers || this.connections === 0);
  }

  private tellIdle(): void {
    if (this.isIdle) this.onIdle?.();
  }
}

function queueOf(limitMs: number): DeadlineQueue {
  return createDeadlineQueue(limitMs, () => performance.now());
}
