/**
 * What one Redis server tells of changes. A connection of its own asks for the names of all hashes with our prefixes
 * that anybody changes (CLIENT TRACKING in broadcasting mode), redirected to itself, where they come as messages.
 * Broadcasting, because it does not depend on the connection that reads: that one may be lost and made anew, or
 * redirected, without a gap in what is told.
 *
 * The protocol is RESP2: ioredis drops the invalidations of RESP3 without a word.
 */
import { Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { within } from './within.ts';

export interface ChangeFeed {
  /** Of the server that it has reached; undefined = that one names none. */
  readonly runId: string | undefined;
  ping(): Promise<unknown>;
  close(): void;
}

export interface ChangeListener {
  /** Names of hashes; undefined = any may have changed. */
  changed(names: readonly Buffer[] | undefined): void;
  /** Nothing is told any more. Not called after `close`. */
  lost(): void;
}

/** Without the option whose type the constructor reads. */
export type ServerOptions = Omit<RedisOptions, 'replyMapping'>;

const CHANNEL = '__redis__:invalidate';
const OPEN_TIMEOUT_MS = 2000;

/** Resolves when everything that changes from now on will be told. */
export async function openChangeFeed(
  options: ServerOptions,
  prefixes: readonly Buffer[],
  listener: ChangeListener,
): Promise<ChangeFeed> {
  const client = new Redis({
    ...options,
    lazyConnect: true,
    autoResubscribe: false,
    retryStrategy: () => null,
    connectTimeout: OPEN_TIMEOUT_MS,
  });
  let isClosed = false;
  const close = (): void => {
    isClosed = true;
    client.disconnect();
  };
  // What goes wrong is told by `end`.
  client.on('error', () => undefined);
  client.on('messageBuffer', (_channel: Buffer, message: unknown) => {
    listener.changed(Array.isArray(message) ? (message as Buffer[]) : undefined);
  });
  let runId: string | undefined;
  try {
    runId = await within(OPEN_TIMEOUT_MS, subscribe(client, prefixes));
  } catch (error) {
    close();
    throw error;
  }
  client.once('end', () => {
    if (!isClosed) listener.lost();
  });
  return { runId, ping: async () => client.ping(), close };
}

/** Of the reply of INFO, what tells one run of a server from any other. */
export function runIdIn(info: string): string | undefined {
  return /^run_id:(\w+)/m.exec(info)?.[1];
}

async function subscribe(client: Redis, prefixes: readonly Buffer[]): Promise<string | undefined> {
  await client.connect();
  const runId = runIdIn(await client.info('server'));
  const id = String(await client.client('ID'));
  const tracked = prefixes.flatMap((prefix) => ['PREFIX', prefix]);
  await client.call('CLIENT', ['TRACKING', 'ON', 'REDIRECT', id, 'BCAST', ...tracked]);
  await client.subscribe(CHANNEL);
  return runId;
}
