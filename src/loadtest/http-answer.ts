/**
 * Reads HTTP answers from one connection, one at a time. Of an answer with 200 it reads no more than the head, so
 * that one thread of the load test can outrun a bare server; the body of any other is kept for its error code.
 */
import { failedAnswer } from './caller.ts';
import type { Failure } from './caller.ts';

const HEAD_BYTES_MAX = 16_384;
/** Enough for any error body of Millrace; another server may send what it likes. */
const KEPT_BYTES_MAX = 65_536;
const STATUS_AT = 'HTTP/1.1 '.length;
const HEAD_END = '\r\n\r\n';
const contentLength = /\r\ncontent-length: *(\d+)/i;
const connectionClose = /\r\nconnection: *close/i;
const OK = 200;
const none: Buffer = Buffer.alloc(0);

export class HttpAnswerReader {
  /** Of the answer that was read last, or is being read. */
  status = 0;
  /** The server closes the connection behind it. */
  isLast = false;
  /** Bytes of the body that have not come yet; -1 while the head is incomplete. */
  private missing = -1;
  private head: Buffer = none;
  private kept: Buffer[] = [];
  private keptBytes = 0;

  /**
   * @returns true when these bytes complete the answer
   * @throws Error when they are not an answer to one request
   */
  read(bytes: Buffer): boolean {
    if (this.missing >= 0) return this.readBody(bytes);
    const head = this.head.length === 0 ? bytes : Buffer.concat([this.head, bytes]);
    const headEnd = head.indexOf(HEAD_END);
    if (headEnd === -1) {
      if (head.length > HEAD_BYTES_MAX) throw new Error('the head of the answer does not end');
      // A copy: the caller's bytes are overwritten by its next read.
      this.head = Buffer.from(head);
      return false;
    }
    this.readHead(head.toString('latin1', 0, headEnd));
    this.head = none;
    return this.readBody(head.subarray(headEnd + HEAD_END.length));
  }

  /** What the answer that was read last says went wrong; undefined for 200. */
  failure(): Failure | undefined {
    if (this.status === OK) return undefined;
    const body = Buffer.concat(this.kept).toString();
    const { code, message } = describeError(body);
    return failedAnswer(this.status, code, message);
  }

  private readHead(head: string): void {
    this.status = Number(head.slice(STATUS_AT, STATUS_AT + 3));
    const length = contentLength.exec(head)?.[1];
    if (!head.startsWith('HTTP/1.') || !(this.status >= 100))
      throw new Error(`not an HTTP answer: ${head.slice(0, 80)}`);
    if (length === undefined)
      throw new Error(`an answer with ${this.status} does not tell its content-length`);
    this.isLast = connectionClose.test(head);
    this.missing = Number(length);
    this.kept = [];
    this.keptBytes = 0;
  }

  private readBody(bytes: Buffer): boolean {
    this.missing -= bytes.length;
    if (this.missing < 0) throw new Error('more bytes came than the answer has');
    if (this.status !== OK && this.keptBytes < KEPT_BYTES_MAX) {
      this.kept.push(Buffer.from(bytes));
      this.keptBytes += bytes.length;
    }
    if (this.missing > 0) return false;
    this.missing = -1;
    return true;
  }
}

/** Code and sentence of an error body of Millrace; any other body is its own message. */
function describeError(body: string): { code: string; message: string } {
  try {
    const { code, error } = JSON.parse(body) as { code?: unknown; error?: unknown };
    if (typeof code === 'string') return { code, message: typeof error === 'string' ? error : '' };
  } catch {
    // Not of Millrace.
  }
  return { code: '', message: body };
}
