/**
 * HMGET of fields that are the same from one hash to the next. Their part of the request is made once, and the reply is
 * decoded as it comes in: its bytes are dropped before those of the next one are there, and no collection of garbage
 * moves them.
 */
import { Command } from 'ioredis';

/** What is asked for, and how a reply is read. */
export interface HashFields<T> {
  readonly fields: readonly (string | Buffer)[];
  /** The fields as they stand in the request, behind the name of the hash. */
  readonly framed: string;
  readonly encoding: 'utf8' | 'latin1';
  decode(hash: string, values: readonly (Buffer | null)[]): T;
}

/** Replies as bytes. */
const OPTIONS = { replyEncoding: null };

export function frameFields(fields: readonly (string | Buffer)[], encoding: 'utf8' | 'latin1'): string {
  return fields.map((field) => frame(field.toString(encoding), encoding)).join('');
}

export class HashRead<T> extends Command {
  private readonly hash: string;
  private readonly of: HashFields<T>;

  constructor(hash: string, of: HashFields<T>) {
    super('hmget', [], OPTIONS);
    this.hash = hash;
    this.of = of;
  }

  override toWritable(): string | Buffer {
    const { fields, framed, encoding } = this.of;
    const text = `*${fields.length + 2}\r\n$5\r\nHMGET\r\n${frame(this.hash, encoding)}${framed}`;
    return encoding === 'utf8' ? text : Buffer.from(text, encoding);
  }

  /** ioredis's type has none but its own replies. */
  override transformReply(values: Buffer | Buffer[]): Buffer[] {
    return this.decoded(values) as unknown as Buffer[];
  }

  decoded(values: unknown): T | undefined {
    return Array.isArray(values) ? this.of.decode(this.hash, values as (Buffer | null)[]) : undefined;
  }

  /** The same, for a connection that follows redirections. */
  get plain(): readonly [string, ...(string | Buffer)[]] {
    const { fields, encoding } = this.of;
    return ['HMGET', Buffer.from(this.hash, encoding), ...fields];
  }
}

function frame(text: string, encoding: 'utf8' | 'latin1'): string {
  return `$${Buffer.byteLength(text, encoding)}\r\n${text}\r\n`;
}
