/**
 * A set-aside log in Redis: for each partition N of the event log a stream `mr:<project>:<name>:{pN}`, to which the script
 * that moves the applied offset adds entries with the ids `1-0`, `2-0` and so on. The number of an entry is made of its id
 * and its partition.
 */
import { WRITE_TIMEOUT_MS } from '../redis/redis-commands.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import type { RedisCommand } from '../redis/redis-shard.ts';
import type { EventCodec } from './event-codec.ts';
import { partitionKey } from './redis-partition-key.ts';
import { decodeSetAside } from './set-aside-entry.ts';
import type { SetAside, SetAsideLog, SetAsideName } from './set-aside-log.ts';

export interface RedisSetAsideLog extends SetAsideLog {
  /** Of one partition; beyond, the script drops the oldest. */
  readonly entriesMax: number;
  /** Of the stream of a partition. */
  keyOf(partition: number): string;
}

export interface RedisSetAsideParts {
  readonly project: string;
  readonly name: SetAsideName;
  readonly partitionCount: number;
  /** Of all partitions together. */
  readonly entriesMax: number;
  readonly commands: RedisCommands;
  readonly codec: Pick<EventCodec, 'decode'>;
}

/** Of an entry: `<n>-0`, and its fields and values in turn. */
type StreamEntry = readonly [Buffer, readonly Buffer[]];

export function createRedisSetAsideLog(parts: RedisSetAsideParts): RedisSetAsideLog {
  const { project, name, partitionCount, commands, codec } = parts;
  const keyOf = (partition: number): string => partitionKey(project, name, partition);
  const partitions = Array.from({ length: partitionCount }, (_, partition) => partition);
  const entryNumbers = createNumbers(partitionCount);

  async function each(of: readonly number[], command: (index: number) => RedisCommand): Promise<unknown[]> {
    return commands.sendAll(of.map(keyOf), command, WRITE_TIMEOUT_MS);
  }

  async function eachPlace(
    places: readonly Place[],
    command: (key: string, id: string) => RedisCommand,
  ): Promise<unknown[]> {
    return each(
      places.map(({ partition }) => partition),
      (i) => {
        const { n, partition } = places[i] as Place;
        return command(keyOf(partition), `${n}-0`);
      },
    );
  }

  function decodeAll(reply: unknown, partition: number): SetAside[] {
    return (reply as readonly StreamEntry[]).map(([id, [, bytes]]) =>
      decodeSetAside(
        entryNumbers.numberOf(Number.parseInt(String(id), 10), partition),
        bytes as Buffer,
        codec,
      ),
    );
  }

  return {
    name,
    keyOf,
    entriesMax: Math.ceil(parts.entriesMax / partitionCount),

    async count() {
      const lengths = await each(partitions, (partition) => ['XLEN', keyOf(partition)]);
      return lengths.reduce<number>((sum, length) => sum + Number(length), 0);
    },

    async list(fromNumber, limit) {
      const first = (partition: number): number =>
        Math.max(1, Math.ceil((fromNumber - 1 - partition) / partitionCount) + 1);
      const command = (partition: number): RedisCommand => {
        return ['XRANGE', keyOf(partition), `${first(partition)}-0`, '+', 'COUNT', limit];
      };
      const found = (await each(partitions, command)).flatMap(decodeAll);
      return found.sort((a, b) => a.number - b.number).slice(0, limit);
    },

    async get(numbers) {
      const places = entryNumbers.placesOf(numbers);
      const replies = await eachPlace(places, (key, id) => ['XRANGE', key, id, id]);
      return replies.flatMap((reply, i) => decodeAll(reply, (places[i] as Place).partition));
    },

    async remove(numbers) {
      const removed = await eachPlace(entryNumbers.placesOf(numbers), (key, id) => ['XDEL', key, id]);
      return removed.reduce<number>((sum, count) => sum + Number(count), 0);
    },
  };
}

/** Where an entry is: `n` is the first part of its id. */
interface Place {
  readonly n: number;
  readonly partition: number;
}

/** Numbers begin with 1, and those of one partition grow by the number of partitions. */
function createNumbers(partitionCount: number): {
  numberOf(n: number, partition: number): number;
  placesOf(numbers: readonly number[]): Place[];
} {
  return {
    numberOf: (n, partition) => (n - 1) * partitionCount + partition + 1,
    placesOf: (numbers) =>
      numbers
        .filter((number) => number >= 1)
        .map((number) => ({
          n: Math.floor((number - 1) / partitionCount) + 1,
          partition: (number - 1) % partitionCount,
        })),
  };
}
