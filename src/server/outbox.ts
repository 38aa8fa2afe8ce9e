/**
 * Answers on their way to WebSockets. The answers of a batch are written one behind the other into one buffer, and sent
 * at the end of the work at hand: what goes to the same socket leaves in one system call. That call costs more than
 * all else that an answer takes.
 */
import { MessagePackWriter } from '../serving/message-pack-writer.ts';

/** An answer in the buffer. */
export interface OutboxPiece {
  readonly from: number;
  readonly to: number;
  readonly isBinary: boolean;
}

/** Sends the pieces of the buffer that were queued for it. */
export interface OutboxReceiver {
  sendQueued(): void;
}

/** With more to send there is nothing to gain from waiting, and memory to lose. */
const WAITING_BYTES_MAX = 262_144;

export class Outbox {
  private readonly writer = new MessagePackWriter();
  /** What lies behind was begun and not committed: an answer that could not be written. */
  private committed = 0;
  private receivers: OutboxReceiver[] = [];
  private isScheduled = false;

  /** Holds what was committed until it is sent. */
  get bytes(): Buffer {
    return this.writer.bytes;
  }

  /** The writer to put one answer into. */
  begin(): MessagePackWriter {
    this.writer.length = this.committed;
    return this.writer;
  }

  /** Ends the answer that was begun; returns its place in `bytes`. */
  commit(isBinary: boolean): OutboxPiece {
    const from = this.committed;
    this.committed = this.writer.length;
    return { from, to: this.committed, isBinary };
  }

  /** The receiver has something to send, at the end of the work at hand or sooner. */
  schedule(receiver: OutboxReceiver): void {
    this.receivers.push(receiver);
    if (this.isScheduled) return;
    this.isScheduled = true;
    queueMicrotask(this.flush);
  }

  flushIfFull(): void {
    if (this.committed > WAITING_BYTES_MAX) this.flush();
  }

  private readonly flush = (): void => {
    const { receivers } = this;
    this.receivers = [];
    this.isScheduled = false;
    for (const receiver of receivers) receiver.sendQueued();
    this.writer.clear();
    this.committed = 0;
  };
}
