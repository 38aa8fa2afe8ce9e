/**
 * `npm run bench:events`: the event log. Durable appends of accepted events in batches of 100 (ids, partitions, one
 * commit a batch), and intake of the same events from JSON, against bare lmdb that puts the same bytes, one value an
 * event, in the same batches. The log holds 300,000 events before, so that its index of ids is at work. Medians of
 * interleaved rounds, because the time of a sync varies from one second to the next. Then decoding and reading alone; the
 * log in Redis, with a redis-server of its own (bench/redis-events.ts); and how fast and how soon events get into features
 * (bench/apply.ts). Takes about three minutes; on a file system in memory (TMPDIR) it shows what the work costs without
 * the disk.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { markdownTable } from '../loadtest/peers/markdown-table.ts';
import { systemClock } from '../src/clock.ts';
import { EventRejected, createEventDecoder } from '../src/events/decode-event.ts';
import { decodeEvents } from '../src/events/decode-events.ts';
import type { AcceptedEvent } from '../src/events/event.ts';
import { createEventIds } from '../src/events/event-ids.ts';
import type { EventLog } from '../src/events/event-log.ts';
import { openLmdbEventLog } from '../src/events/lmdb-event-log.ts';
import type { LmdbEventLog } from '../src/events/lmdb-event-log.ts';
import { partitionOf } from '../src/events/partition.ts';
import { openLmdbEnvironment } from '../src/lmdb/lmdb-environment.ts';
import { eventTypeOf } from '../test/events/sample-events.ts';
import { benchApply, benchFreshness } from './apply.ts';
import type { ApplyResult } from './apply.ts';
import { median } from './median.ts';
import { benchRedisEvents, readRate } from './redis-events.ts';
import { scriptOptions } from './script-options.ts';

const BATCH = 100;
const PARTITIONS = 8;
const ROUNDS = 9;
const EVENTS_A_ROUND = 10_000;
const CALLERS = 8;
const EVENTS_BEFORE = 300_000;

const { quick = false } = scriptOptions('npm run bench:events [-- --quick]', { quick: { type: 'boolean' } });
const rounds = quick ? 3 : ROUNDS;
const batches = EVENTS_A_ROUND / BATCH / (quick ? 4 : 1);

const type = eventTypeOf(
  'departure',
  { origin: 'string', destination: 'string', delay: 'float64', distance: 'float64', scheduled: 'timestamp' },
  'scheduled',
);
const decode = createEventDecoder(
  new Map([['departure', type]]),
  { futureMsMax: 60_000, eventBytesMax: 65_536 },
  createEventIds(systemClock),
);

/** The bodies of a round's calls; ids are as random as those of clients. */
function bodies(): Buffer[] {
  return Array.from({ length: batches }, (_, batch) =>
    Buffer.from(JSON.stringify(Array.from({ length: BATCH }, (__, i) => jsonEvent(batch * BATCH + i)))),
  );
}

function jsonEvent(n: number): unknown {
  const airport = (salt: number): string => `A${(n * 7919 + salt) % 300}`;
  const fields = {
    origin: airport(0),
    destination: airport(151),
    delay: Math.sin(n) * 60,
    distance: 100 + (n % 2500),
    scheduled: 1_000_000_000_000 + n * 1000,
  };
  return { id: crypto.randomUUID(), type: 'departure', fields };
}

function decoded(body: Buffer): AcceptedEvent[] {
  return decodeEvents(body, 'json', decode, Date.now(), BATCH).flatMap((event) =>
    event instanceof EventRejected ? [] : [event],
  );
}

async function append(log: EventLog, events: readonly AcceptedEvent[]): Promise<void> {
  const writes = events.map((event) => ({
    event,
    partitions: [partitionOf(['airport', String(event.values[0])], PARTITIONS)],
  }));
  await log.append(writes);
}

interface Bare {
  readonly root: RootDatabase;
  readonly records: Database<Buffer, number>;
  next: number;
}

function openBare(path: string): Bare {
  const root = open({ path, overlappingSync: false, eventTurnBatching: false, noSubdir: false, maxDbs: 4 });
  return { root, records: root.openDB<Buffer, number>('records', { encoding: 'binary' }), next: 0 };
}

async function putBatch(bare: Bare, records: readonly Buffer[]): Promise<void> {
  await bare.root.transaction(() => {
    for (const record of records) void bare.records.put(bare.next++, record);
  });
}

/** Events per second of `callers` that do all calls between them, one after the other each. */
async function rate(callers: number, calls: readonly (() => Promise<void>)[]): Promise<number> {
  const startedMs = performance.now();
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let call = calls[next++]; call !== undefined; call = calls[next++]) await call();
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return ((calls.length * BATCH) / (performance.now() - startedMs)) * 1000;
}

interface Rates {
  readonly bare: number[];
  readonly appends: number[];
  readonly intake: number[];
}

async function compare(log: LmdbEventLog, bare: Bare, callers: number): Promise<Rates> {
  const rates: Rates = { bare: [], appends: [], intake: [] };
  for (let round = 0; round < rounds; round++) {
    const events = bodies().map(decoded);
    const packed = events.map((batch) => batch.map((event) => log.codec.encode(event, false)));
    const puts = packed.map((records) => async () => putBatch(bare, records));
    rates.bare.push(await rate(callers, puts));
    const appends = events.map((batch) => async () => append(log, batch));
    rates.appends.push(await rate(callers, appends));
    const intake = bodies().map((body) => async () => append(log, decoded(body)));
    rates.intake.push(await rate(callers, intake));
  }
  return rates;
}

async function fill(log: EventLog): Promise<void> {
  for (let count = 0; count < (quick ? EVENTS_BEFORE / 10 : EVENTS_BEFORE); count += batches * BATCH)
    await append(log, bodies().flatMap(decoded));
}

function decodeRate(): number {
  const sent = bodies();
  const startedMs = performance.now();
  for (const body of sent) decoded(body);
  return ((sent.length * BATCH) / (performance.now() - startedMs)) * 1000;
}

const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-events-'));
const environment = await openLmdbEnvironment({ path: join(dir, 'log') });
const log = await openLmdbEventLog({
  environment,
  types: new Map([['departure', type]]),
  partitionCount: PARTITIONS,
  clock: systemClock,
});
const bare = openBare(join(dir, 'bare'));
const rows: string[][] = [];
const add = (what: string, perSecond: number, ratio?: number): void => {
  rows.push([what, Math.round(perSecond).toLocaleString('en'), ratio?.toFixed(2) ?? '']);
};
await fill(log);
for (const callers of [1, CALLERS]) {
  const rates = await compare(log, bare, callers);
  const at = `${callers} caller${callers === 1 ? '' : 's'}`;
  const bareRate = median(rates.bare);
  add(`bare lmdb, a put an event, ${at}`, bareRate);
  add(`appends to the log, ${at} (target 0.7)`, median(rates.appends), median(rates.appends) / bareRate);
  add(`intake from JSON, ${at}`, median(rates.intake), median(rates.intake) / bareRate);
}
add('decoding of JSON events alone', median(Array.from({ length: rounds }, decodeRate)));
const readRates: number[] = [];
for (let round = 0; round < rounds; round++) readRates.push(await readRate(log, PARTITIONS));
add('reading of the log', median(readRates));
await log.close();
await environment.close();
await bare.root.close();
await rm(dir, { recursive: true });
const redis = await benchRedisEvents({
  type,
  partitions: PARTITIONS,
  rounds,
  callers: [1, CALLERS],
  batches: () => bodies().map(decoded),
  append,
  rate,
});
const costs: string[][] = [];
for (const { callers, bare: added, log: appended } of redis.results) {
  const at = `${callers} caller${callers === 1 ? '' : 's'}`;
  add(`bare ioredis, an XADD an event, ${at}`, added.perSecond);
  add(
    `appends to the log in Redis, ${at} (target 0.7)`,
    appended.perSecond,
    appended.perSecond / added.perSecond,
  );
  for (const [what, { ownUs, redisUs }] of Object.entries({ 'bare ioredis': added, 'the log': appended }))
    costs.push([`${what}, ${at}`, ownUs.toFixed(1), redisUs.toFixed(1)]);
}
add('reading of the log in Redis', redis.readsPerSecond);
const [cpu] = cpus();
const date = new Date().toISOString().slice(0, 10);
console.log(
  `${date}, ${cpus().length} x ${cpu?.model ?? 'CPU'}, Node ${process.version}, batches of ${BATCH}\n`,
);
console.log(markdownTable(['what', 'events/s', 'ratio'], rows, 2));
console.log(`\nCPU time of an event with Redis, in us:\n`);
console.log(markdownTable(['what', 'this process', 'redis-server'], costs, 2));
console.log(
  `\nMemory of Redis: ${redis.memoryBytes.toFixed(0)} bytes for an event whose record has ${redis.recordBytes.toFixed(0)}.`,
);
for (const [place, target] of [
  ['LMDB', 100_000],
  ['Redis', 60_000],
] as const) {
  const applied: ApplyResult[] = [];
  for (let round = 0; round < (quick ? 1 : 3); round++)
    applied.push(await benchApply(place, quick ? 30_000 : 200_000));
  const perSecond = median(applied.map(({ eventsPerSecond }) => eventsPerSecond));
  const cpuUs = median(applied.map((each) => each.cpuUs));
  console.log(
    `\nApplied in ${place} to tiles with 4 aggregates: ${Math.round(perSecond).toLocaleString('en')} events/s, ${cpuUs.toFixed(1)} us of CPU time each (target ${target.toLocaleString('en')}/s a core).`,
  );
  const freshMs = await benchFreshness(place, 10_000, quick ? 3 : 10);
  const [p50, p99] = [0.5, 0.99].map((part) =>
    (freshMs[Math.ceil(part * freshMs.length) - 1] as number).toFixed(1),
  );
  console.log(
    `At 10,000 events/s, from the acknowledgement until the row has the event: ${p50} ms in the median, ${p99} ms at the 99th percentile (target 50 ms).`,
  );
}
