/**
 * The event log in Redis against bare ioredis that adds the same bytes to a stream, an XADD an event, in one pipeline a
 * batch. Both in a redis-server of their own with an append-only file that is synced once a second. The part of
 * `npm run bench:events` that needs Redis.
 */
import { Redis } from 'ioredis';
import { systemClock } from '../src/clock.ts';
import type { AcceptedEvent } from '../src/events/event.ts';
import type { EventLog } from '../src/events/event-log.ts';
import { openRedisEventLog } from '../src/events/redis-event-log.ts';
import type { EventType } from '../src/project/project.ts';
import { connectForEvents } from '../test/events/redis-log-place.ts';
import { startRedis } from '../test/redis/redis-server.ts';
import type { RedisServer } from '../test/redis/redis-server.ts';
import { median } from './median.ts';

export interface RedisEventsOptions {
  readonly type: EventType;
  readonly partitions: number;
  readonly rounds: number;
  readonly callers: readonly number[];
  /** The batches of a round, of events that no other round has. */
  readonly batches: () => AcceptedEvent[][];
  readonly append: (log: EventLog, events: readonly AcceptedEvent[]) => Promise<void>;
  /** Events per second of so many callers that do all calls between them. */
  readonly rate: (callers: number, calls: readonly (() => Promise<void>)[]) => Promise<number>;
}

/** Medians over the rounds, by number of callers. */
export interface RedisEventsResult {
  readonly callers: number;
  readonly bare: Cost;
  readonly log: Cost;
}

export interface Cost {
  readonly perSecond: number;
  /** CPU time for an event, of this process and of redis-server. */
  readonly ownUs: number;
  readonly redisUs: number;
}

export interface RedisEvents {
  readonly results: readonly RedisEventsResult[];
  readonly readsPerSecond: number;
  /** Memory of Redis for an event, and the bytes of its record. */
  readonly memoryBytes: number;
  readonly recordBytes: number;
}

export async function benchRedisEvents(options: RedisEventsOptions): Promise<RedisEvents> {
  const server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'everysec']);
  const connection = await connectForEvents(server.url, 'bench');
  const log = await openRedisEventLog({
    connection,
    project: 'bench',
    types: new Map([[options.type.name, options.type]]),
    partitionCount: options.partitions,
    clock: systemClock,
  });
  const bare = new Redis({ port: server.port, protocol: 2 });
  const results: RedisEventsResult[] = [];
  for (const callers of options.callers) {
    const costs: { readonly bare: Cost[]; readonly log: Cost[] } = { bare: [], log: [] };
    for (let round = 0; round < options.rounds; round++) {
      const batches = options.batches();
      const packed = batches.map((events) => events.map((event) => log.codec.encode(event, false)));
      const adds = packed.map((records) => async () => addBatch(bare, records));
      costs.bare.push(await cost(server, options, callers, batches, adds));
      await bare.del('bare');
      const appends = batches.map((events) => async () => options.append(log, events));
      costs.log.push(await cost(server, options, callers, batches, appends));
    }
    results.push({ callers, bare: medianCost(costs.bare), log: medianCost(costs.log) });
  }
  const sizes = await log.sizes();
  const events = sizes.reduce((sum, { nextOffset }) => sum + nextOffset, 0);
  const recordBytes = sizes.reduce((sum, { bytes }) => sum + bytes, 0) / events;
  const memoryBytes = (await memoryOf(bare, options.partitions)) / events;
  const readsPerSecond = await readRate(log, options.partitions);
  bare.disconnect();
  await log.close();
  await connection.close();
  await server.stop();
  return { results, readsPerSecond, memoryBytes, recordBytes };
}

async function addBatch(bare: Redis, records: readonly Buffer[]): Promise<void> {
  const pipeline = bare.pipeline();
  for (const record of records) pipeline.xadd('bare', '*', 'r', record);
  for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
}

async function cost(
  server: RedisServer,
  { rate }: RedisEventsOptions,
  callers: number,
  batches: readonly (readonly unknown[])[],
  calls: readonly (() => Promise<void>)[],
): Promise<Cost> {
  const events = batches.reduce((sum, batch) => sum + batch.length, 0);
  const redisBefore = await redisCpuUs(server);
  const before = process.cpuUsage();
  const perSecond = await rate(callers, calls);
  const { user, system } = process.cpuUsage(before);
  const redisUs = ((await redisCpuUs(server)) - redisBefore) / events;
  return { perSecond, ownUs: (user + system) / events, redisUs };
}

async function redisCpuUs(server: RedisServer): Promise<number> {
  const info = String(await server.command('INFO', 'cpu'));
  const of = (name: string): number => Number(new RegExp(`^${name}:(.*)`, 'm').exec(info)?.[1]) * 1e6;
  return of('used_cpu_user') + of('used_cpu_sys');
}

function medianCost(costs: readonly Cost[]): Cost {
  const of = (value: (cost: Cost) => number): number => median(costs.map(value));
  return {
    perSecond: of(({ perSecond }) => perSecond),
    ownUs: of(({ ownUs }) => ownUs),
    redisUs: of(({ redisUs }) => redisUs),
  };
}

async function memoryOf(client: Redis, partitions: number): Promise<number> {
  let bytes = 0;
  for (let partition = 0; partition < partitions; partition++)
    for (const what of ['events', 'event_ids', 'event_state'])
      bytes += Number(await client.memory('USAGE', `mr:bench:${what}:{p${partition}}`, 'SAMPLES', 0));
  return bytes;
}

/** Events per second that come out of the log, decoded, in reads of 1,000. */
export async function readRate(log: EventLog, partitions: number): Promise<number> {
  const startedMs = performance.now();
  let events = 0;
  for (let partition = 0; partition < partitions; partition++) {
    for (let offset = 0; ;) {
      const { records, nextOffset } = await log.read(partition, offset, { recordsMax: 1000, bytesMax: 1e7 });
      if (records.length === 0) break;
      events += records.length;
      offset = nextOffset;
    }
  }
  return (events / (performance.now() - startedMs)) * 1000;
}
