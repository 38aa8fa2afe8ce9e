/**
 * What units were given first, in Redis, and in memory for those that were asked for lately. An entry is never changed
 * until it expires, so what is in memory needs not to be told of. When Redis may have lost something (it was emptied, or is
 * another server by now), all of it is forgotten, because somebody else may then be the first.
 *
 * The first requests of a unit, up to the first answer of Redis to `keep` (milliseconds), find nothing kept and go by its
 * hash, which is the same in all processes. Who has lost the race gets what is stored as the answer, and has it in memory
 * from the next request on. Clocks that differ between servers count when an entry expires: the one that is ahead gives
 * anew what the others still keep.
 *
 * Cost: 0.4 us for a unit in memory if there are 100 of them, 1.1 us if there are 10,000 (Node 20, two cores with other
 * work), and 200 bytes; a round trip for another, which all of a turn of the event loop share.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { WRITE_TIMEOUT_MS, redisFailure } from '../redis/redis-commands.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import type { RolloutNames } from './redis-rollout-layout.ts';
import { readStickyText, stickyScript, stickyText } from './redis-rollout-layout.ts';
import type { Assignment, Assignments } from './sticky-queue.ts';

export interface RedisSticky {
  /** Undefined = memory does not know. */
  get(name: string, nowMs: number): string | undefined;
  /** @throws MillraceError STORE_FAILED */
  read(name: string, nowMs: number): Promise<string | null>;
  /**
   * Keeps what is not there yet.
   * @returns how many could not be kept
   */
  put(batch: Assignments): Promise<number>;
  forget(): void;
}

export interface RedisStickyParts {
  readonly commands: RedisCommands;
  readonly names: RolloutNames;
  /** How many are in memory. */
  readonly entriesMax: number;
  readonly readTimeoutMs: number;
  readonly clock: Clock;
}

export function createRedisSticky({
  commands,
  names,
  entriesMax,
  readTimeoutMs,
  clock,
}: RedisStickyParts): RedisSticky {
  const memory = new LRUCache<string, Assignment>({ max: entriesMax });
  /** Ends when memory is forgotten: what was read before is not kept then. */
  let epoch = 0;
  const keep = (name: string, assignment: Assignment, readIn: number): void => {
    if (readIn === epoch) memory.set(name, assignment);
  };

  const fetch = createTurnReads(async (wanted) => {
    const readIn = epoch;
    const keys = wanted.map((name) => names.sticky(name));
    const replies = await commands.sendEach(keys, (i) => ['GET', keys[i] as string], readTimeoutMs);
    return (replies as (Buffer | Error | null)[]).map((reply, i) => {
      if (reply instanceof Error) return redisFailure(reply);
      const found = reply === null ? undefined : readStickyText(String(reply));
      if (found !== undefined) keep(wanted[i] as string, found, readIn);
      return found;
    });
  });

  return {
    get: (name, nowMs) => aliveVariant(memory.get(name), nowMs),
    read: async (name, nowMs) => aliveVariant(await fetch(name), nowMs) ?? null,

    async put(batch) {
      const readIn = epoch;
      const nowMs = clock.nowMs();
      const given = [...batch].filter(([, { expiresMs }]) => expiresMs > nowMs);
      const calls = given.map(([name, assignment]) => {
        const key = names.sticky(name);
        const leftMs = Math.ceil(assignment.expiresMs - nowMs);
        return { name: key, keys: [key] as const, args: [nowMs, stickyText(assignment), leftMs] };
      });
      const replies = await commands.runEach(stickyScript, calls, WRITE_TIMEOUT_MS);
      replies.forEach((reply, i) => {
        const first = reply instanceof Error ? undefined : readStickyText(String(reply));
        if (first !== undefined) keep(given[i]?.[0] as string, first, readIn);
      });
      const failures = replies.filter((reply): reply is Error => reply instanceof Error);
      if (failures.length > 0 && failures.length === calls.length) throw redisFailure(failures[0] as Error);
      return failures.length;
    },

    forget() {
      epoch++;
      memory.clear();
    },
  };
}

function aliveVariant(assignment: Assignment | undefined, nowMs: number): string | undefined {
  return assignment !== undefined && assignment.expiresMs > nowMs ? assignment.variant : undefined;
}

type TurnRead = (name: string) => Promise<Assignment | undefined>;

/** All that are asked for in a turn of the event loop are read together, and each name once. */
function createTurnReads(
  readAll: (names: readonly string[]) => Promise<(Assignment | Error | undefined)[]>,
): TurnRead {
  let turn: Promise<ReadonlyMap<string, Assignment | Error | undefined>> | undefined;
  let wanted = new Set<string>();

  async function run(): Promise<ReadonlyMap<string, Assignment | Error | undefined>> {
    await new Promise(setImmediate);
    const names = [...wanted];
    wanted = new Set();
    turn = undefined;
    const found = await readAll(names);
    return new Map(names.map((name, i) => [name, found[i]]));
  }

  return async (name) => {
    wanted.add(name);
    turn ??= run();
    const found = (await turn).get(name);
    if (found instanceof Error) throw found;
    return found;
  };
}
