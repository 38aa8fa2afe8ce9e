/**
 * What all exchanges of one server share: its phase, its limits, the requests that are open, and the request ids.
 */
import { randomBytes } from 'node:crypto';
import type { Limits } from '../project/project.ts';
import type { Log } from '../telemetry/log.ts';
import { createDeadlineQueue } from './deadline-queue.ts';
import type { DeadlineQueue } from './deadline-queue.ts';

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
  /** Bytes of bodies that are still arriving. */
  arrivingBytes = 0;
  /** Bytes of answers that were sent to WebSockets and not read yet. */
  sendingBytes = 0;
  readonly limits: Limits;
  readonly log: Log;
  /** Requests whose body is still arriving. */
  readonly arriving: DeadlineQueue;
  /** Requests that wait for their answer. */
  readonly answering: DeadlineQueue;
  private readonly idPrefix = randomBytes(6).toString('base64url');
  private idCount = 0;
  private lingers = false;
  private messagesUntilMs = Infinity;
  private onIdle: (() => void) | undefined = undefined;

  constructor(limits: Limits, log: Log) {
    this.limits = limits;
    this.log = log;
    this.arriving = createDeadlineQueue(limits.bodyTimeoutMs, () => performance.now());
    this.answering = createDeadlineQueue(limits.timeoutMs, () => performance.now());
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
