/**
 * Commands by the names they are about: each goes to the shard that holds its name, those of one shard in one pipeline,
 * and one that is redirected to wherever the servers say. What the stores in Redis have in common.
 */
import { createHash } from 'node:crypto';
import { MillraceError } from '../errors.ts';
import { HashRead } from './hash-read.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { RedisArgument, RedisCommand, RedisShard } from './redis-shard.ts';
import { within } from './within.ts';

/** Lua, and what it is called by once a server knows it. */
export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

export interface ScriptCall {
  /** All of one shard. The first says which. */
  readonly keys: readonly [RedisArgument, ...RedisArgument[]];
  /** The first key's name, as `shardOf` takes it. */
  readonly name: string;
  readonly args: readonly RedisArgument[];
}

export interface RedisCommands {
  /**
   * One command by each name, in one pipeline per shard. A reply is an Error where the command was refused or there is
   * no answer in time. Never rejects.
   */
  sendEach(
    names: readonly string[],
    command: (index: number) => RedisCommand | HashRead<unknown>,
    timeoutMs: number,
  ): Promise<unknown[]>;
  /** @throws MillraceError STORE_FAILED if one of them failed; the others may have been carried out */
  sendAll(
    names: readonly string[],
    command: (index: number) => RedisCommand,
    timeoutMs: number,
  ): Promise<unknown[]>;
  /** @throws MillraceError STORE_FAILED */
  send(name: string, command: RedisCommand, timeoutMs: number): Promise<unknown>;
  /** As `sendEach`; a server that does not know the script yet gets its text. */
  runEach(script: RedisScript, calls: readonly ScriptCall[], timeoutMs: number): Promise<unknown[]>;
}

/** For a write: it may wait for the disk or for replicas. */
export const WRITE_TIMEOUT_MS = 5000;

export function redisScript(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

export function createRedisCommands(connection: RedisConnection): RedisCommands {
  async function sendEach(
    names: readonly string[],
    command: (index: number) => RedisCommand | HashRead<unknown>,
    timeoutMs: number,
  ): Promise<unknown[]> {
    const indexesOf = indexesBy(names, (name) => connection.shardOf(name));
    const replies = new Array<unknown>(names.length);
    const runs = [...indexesOf].map(async ([shard, indexes]) => {
      const given = await runOn(shard, indexes.map(command), timeoutMs);
      indexes.forEach((i, n) => (replies[i] = given[n]));
    });
    await Promise.all(runs);
    return replies;
  }

  async function runOn(
    shard: RedisShard,
    commands: readonly (RedisCommand | HashRead<unknown>)[],
    timeoutMs: number,
  ): Promise<readonly unknown[]> {
    const endMs = performance.now() + timeoutMs;
    try {
      const replies = await shard.run(commands, timeoutMs);
      if (!replies.some(isRedirection)) return replies;
      // What another server answers is not in this shard's epoch.
      shard.interrupt();
      return await Promise.all(
        replies.map(async (reply, i) =>
          isRedirection(reply) ? redirect(commands[i] as RedisCommand | HashRead<unknown>, endMs) : reply,
        ),
      );
    } catch (error) {
      return commands.map(() => error);
    }
  }

  /** The server that it leads to may hang, or lead back while slots move. */
  async function redirect(command: RedisCommand | HashRead<unknown>, endMs: number): Promise<unknown> {
    try {
      const limitMs = leftMs(endMs);
      if (!(command instanceof HashRead)) return await within(limitMs, connection.redirected(command));
      return command.decoded(await within(limitMs, connection.redirected(command.plain)));
    } catch (error) {
      return error;
    }
  }

  async function sendAll(
    names: readonly string[],
    command: (index: number) => RedisCommand,
    timeoutMs: number,
  ): Promise<unknown[]> {
    return successes(await sendEach(names, command, timeoutMs));
  }

  return {
    sendEach,
    sendAll,

    async send(name, command, timeoutMs) {
      const [reply] = await sendAll([name], () => command, timeoutMs);
      return reply;
    },

    runEach: async (script, calls, timeoutMs) => runScript(sendEach, script, calls, timeoutMs),
  };
}

async function runScript(
  sendEach: RedisCommands['sendEach'],
  { text, sha }: RedisScript,
  calls: readonly ScriptCall[],
  timeoutMs: number,
): Promise<unknown[]> {
  const send = async (script: readonly [string, string], some: readonly ScriptCall[]): Promise<unknown[]> => {
    const command = (i: number): RedisCommand => {
      const { keys, args } = some[i] as ScriptCall;
      return [...script, keys.length, ...keys, ...args];
    };
    const names = some.map(({ name }) => name);
    return sendEach(names, command, timeoutMs);
  };
  const replies = await send(['EVALSHA', sha], calls);
  const unknown = replies.flatMap((reply, i) => (isUnknownScript(reply) ? [i] : []));
  const again = await send(
    ['EVAL', text],
    unknown.map((i) => calls[i] as ScriptCall),
  );
  unknown.forEach((i, n) => (replies[i] = again[n]));
  return replies;
}

/** Where the items stand that have the same group, in order. */
export function indexesBy<T, G>(items: readonly T[], groupOf: (item: T) => G): Map<G, number[]> {
  const groups = new Map<G, number[]>();
  items.forEach((item, i) => {
    const group = groupOf(item);
    const indexes = groups.get(group);
    if (indexes === undefined) groups.set(group, [i]);
    else indexes.push(i);
  });
  return groups;
}

export function leftMs(endMs: number): number {
  return Math.max(1, Math.ceil(endMs - performance.now()));
}

function isRedirection(reply: unknown): boolean {
  return reply instanceof Error && /^(MOVED|ASK|TRYAGAIN) /.test(reply.message);
}

function isUnknownScript(reply: unknown): boolean {
  return reply instanceof Error && reply.message.startsWith('NOSCRIPT');
}

/** @throws MillraceError STORE_FAILED if one of the replies is an error */
export function successes(replies: unknown[]): unknown[] {
  const failed = replies.find((reply) => reply instanceof Error);
  if (failed !== undefined) throw redisFailure(failed);
  return replies;
}

const causes: readonly (readonly [RegExp, string])[] = [
  [/^READONLY/, 'it is a read-only replica; give the address of the master'],
  [/^OOM/, 'it has reached its maxmemory; give it more, or let fewer rows in'],
  [/^MISCONF/, 'it cannot save to its disk and refuses writes'],
  [/^NOREPLICAS/, 'it has fewer replicas than min-replicas-to-write asks for'],
  [/^NOPERM|The user executing the script/, 'the user lacks a permission'],
  [/^LOADING/, 'it is still loading its data'],
  [/^CLUSTERDOWN/, 'the cluster has slots that no node serves'],
];

/** Why Redis did not do what it was asked, as an error for callers. */
export function redisFailure(cause: Error): MillraceError {
  const known = causes.find(([pattern]) => pattern.test(cause.message))?.[1];
  const why = known === undefined ? cause.message : `${known} (${cause.message})`;
  return new MillraceError('STORE_FAILED', `Redis: ${why}.`, { cause });
}
