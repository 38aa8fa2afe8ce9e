/** What goes wrong while events are applied, and that nothing of it is lost, counted twice, or holds up the rest. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';
import { numbersOfAll, retrySetAside } from '../../src/events/retry-set-aside.ts';
import type { Aggregation, FeatureView, Project } from '../../src/project/project.ts';
import { createStreamRouting } from '../../src/streaming/stream-routing.ts';
import type { TileStore } from '../../src/streaming/tile-store.ts';
import { tiledName } from '../../src/streaming/tile-store.ts';
import { expectRows, expectedRows } from './expected-rows.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { flightEvent, flightProject, flightViews, writeOf } from './flight-stream.ts';
import { createStreamingPlace, metricOf } from './streaming-place.ts';
import type { Instance, StreamingPlace } from './streaming-place.ts';

let place: StreamingPlace;
beforeEach(async () => {
  place = await createStreamingPlace();
});
afterEach(async () => place.remove());

function flights(count: number, seed = 1): AcceptedEvent[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, n) => flightEvent(random, n));
}

async function append({ log, routing }: Instance, events: readonly AcceptedEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += 100)
    await log.append(events.slice(from, from + 100).map((event) => writeOf(event, routing)));
}

async function appliedCount({ metrics }: Instance, outcome = 'applied'): Promise<number> {
  return metricOf(metrics, `millrace_applied_events_total{outcome="${outcome}"}`);
}

/** Counts whatever is asked of its first feature; a number beyond 2^53 makes its condition throw. */
const strictView = {
  ...flightViews.byOrigin,
  name: 'strict',
  features: flightViews.byOrigin.features.map((feature) => ({
    ...feature,
    aggregation: {
      ...(feature.aggregation as Aggregation),
      where: { text: 'delay * 2 > -1000', location: { file: 'millrace.yaml', line: 1, path: 'where' } },
    },
  })),
};
const strictProject: Project = {
  ...flightProject,
  featureViews: new Map([...flightProject.featureViews, ['strict', strictView]]),
};

describe('an event that makes an aggregate throw', () => {
  it('becomes a dead letter, in the partition in which it does, and what is before and behind it counts once', async () => {
    const instance = await place.open(strictProject);
    const events = flights(600);
    const bad = [5, 6, 250, 599].map((n) => {
      const event = events[n] as AcceptedEvent;
      return { ...event, id: `bad-${n}`, values: [...event.values.slice(0, 2), 2n ** 60n] };
    });
    const all = events.flatMap((event, n) => [event, ...bad.filter(({ id }) => id === `bad-${n}`)]);
    await append(instance, all);
    await instance.settle();
    const letters = await instance.deadLetters.list(0, 100);
    expect(new Set(letters.map(({ event }) => event?.id))).toEqual(new Set(bad.map(({ id }) => id)));
    for (const { reason, partition, offset, event } of letters) {
      expect(reason).toContain('BigInt');
      const { records } = await instance.log.read(partition, offset, { recordsMax: 1, bytesMax: 1e6 });
      expect(records[0]?.event?.id).toBe(event?.id);
      expect((await instance.tiles.position(partition)).offset).toBeGreaterThan(offset);
    }
    expect(await appliedCount(instance, 'dead_letter')).toBe(bad.length);
    // By origin it failed; where it is counted by destination and overall, in other partitions, it is in.
    const setAside = new Set(letters.map(({ event, partition }) => `${event?.id} ${partition}`));
    const originPartition = (event: AcceptedEvent): number =>
      instance.routing.partitionOf(flightViews.byOrigin, event.values[0] as string);
    for (const event of bad) expect(setAside).toContain(`${event.id} ${originPartition(event)}`);
    const byOrigin = expectedRows(events).filter(({ view }) => view === 'by_origin');
    await expectRows(instance, byOrigin);
  });
});

describe('a store that takes tiles of few entities at once', () => {
  it('gets smaller batches, down to one event, and none with more entities than a last event adds', async () => {
    const sizes: number[] = [];
    const instance = await place.open(flightProject, (tiles) => ({
      ...tiles,
      batchEntitiesMax: 3,
      async commit(batch) {
        sizes.push(new Set(batch.tiles.map(({ entity }) => tiledName(entity))).size);
        return tiles.commit(batch);
      },
    }));
    const events = flights(500);
    await append(instance, events);
    await instance.settle();
    await expectRows(instance, expectedRows(events));
    // An event is about three entities at most.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3 - 1 + 3);
  });
});

describe('what cannot be read', () => {
  it('is set aside if it is a record of the log, and all others are applied', async () => {
    const instance = await place.open(flightProject);
    await instance.close();
    const events = flights(50);
    await append(instance, events);
    const chunks = place.environment.byteKeys('events');
    const [chunk] = chunks?.range({ start: Buffer.alloc(2), end: Buffer.alloc(8, 255), limit: 1 }) ?? [];
    if (chunk === undefined) throw new Error('nothing was appended');
    const partition = chunk.key.readUInt16BE(0);
    const [record] = (await instance.log.read(partition, 0, { recordsMax: 1, bytesMax: 1 })).records;
    const length = chunk.value.readUInt32BE(12);
    chunk.value.fill(0xc1, 16, 16 + length);
    await place.environment.transaction(() => chunks?.put(chunk.key, chunk.value));
    const next = await place.open(flightProject);
    await next.settle();
    const [letter, ...others] = await next.deadLetters.list(0, 10);
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ partition, offset: 0, event: undefined });
    expect(letter?.reason).not.toBe('');
    expect(letter?.bytes.toString('hex')).toBe('c1'.repeat(length));
    // It is missing where it was read from that partition; in the others there are copies of it, or it is one.
    const isHere = ({ view, key }: { readonly view: string; readonly key: string }): boolean =>
      next.routing.partitionOf(viewNamed(view), key) === partition;
    const rest = events.filter(({ id }) => id !== record?.event?.id);
    expect(rest).toHaveLength(events.length - 1);
    await expectRows(next, [
      ...expectedRows(rest).filter(isHere),
      ...expectedRows(events).filter((row) => !isHere(row)),
    ]);
  });

  it('keeps no other entity from its events if it is a tile', async () => {
    const events = flights(400);
    const [early, late] = [events.slice(0, 200), events.slice(200)];
    const first = await place.open(flightProject);
    await append(first, early);
    await first.settle();
    await first.close();
    const tiles = place.environment.textKeys('tiles');
    const name = tiledName({ view: flightViews.byOrigin, key: 'JFK' });
    const prefix = `${name.length}:${name}|`;
    const found = tiles?.range({ start: prefix, end: `${prefix}~` }) ?? [];
    await place.environment.transaction(() => {
      for (const { key } of found) tiles?.put(key, Buffer.alloc(12, 0xc1));
    });
    const second = await place.open(flightProject);
    await append(second, late);
    await second.settle();
    const partition = second.routing.partitionOf(flightViews.byOrigin, 'JFK');
    const letters = await second.deadLetters.list(0, 1000);
    expect(letters.map(({ event }) => event?.id)).toEqual(
      late.filter(({ values }) => values[0] === 'JFK').map(({ id }) => id),
    );
    expect(new Set(letters.map((letter) => letter.partition))).toEqual(new Set([partition]));
    const others = expectedRows(events).filter(
      ({ view, key }) => key !== '' && second.routing.partitionOf(viewNamed(view), key) !== partition,
    );
    expect(others.length).toBeGreaterThan(10);
    await expectRows(second, others);
    // A prediction does without, or is an error, as its view says.
    const { source } = second;
    expect(source.get(flightViews.byOrigin, 'JFK', 0, false)).toBeNull();
    expect(await source.read([{ view: flightViews.byOrigin, key: 'JFK' }], 0, false)).toEqual([null]);
  });
});

function viewNamed(name: string): (typeof flightViews)['byOrigin'] {
  return flightProject.featureViews.get(name) ?? flightViews.byOrigin;
}

it('an event whose key has become too long since it was accepted is set aside, and holds up nobody', async () => {
  const instance = await place.open(flightProject);
  const events = flights(20);
  const [first] = events as [AcceptedEvent];
  const long = { ...first, id: 'long', values: ['x'.repeat(2000), 'LAX', 1] };
  await instance.log.append([{ event: long, partitions: [0, 1, 2, 3] }]);
  await append(instance, events);
  await instance.settle();
  expect((await instance.deadLetters.list(0, 9)).map(({ reason }) => reason)).toEqual(
    Array.from({ length: 4 }, () => expect.stringContaining('at most 1024')),
  );
  await expectRows(instance, expectedRows(events));
});

describe('a commit that fails', () => {
  /** Every commit that `fails` names by its number; those with an odd number fail after they were stored. */
  function failing(fails: (n: number) => boolean): (tiles: TileStore) => TileStore {
    let n = 0;
    return (tiles) => ({
      ...tiles,
      async commit(batch) {
        const number = n++;
        if (fails(number) && number % 2 === 1) await tiles.commit(batch);
        if (fails(number)) throw new MillraceError('STORE_FAILED', 'the disk is full');
        return tiles.commit(batch);
      },
    });
  }

  it('is tried again, and nothing is lost or counted twice, also where it was stored after all', async () => {
    const instance = await place.open(
      flightProject,
      failing((n) => n % 5 < 2),
    );
    const events = flights(1500);
    await append(instance, events);
    await instance.settle();
    await expectRows(instance, expectedRows(events));
    expect(await metricOf(instance.metrics, 'millrace_apply_failures_total')).toBeGreaterThan(3);
  });

  it('is tried ever more slowly, and closing does not wait for the next try', async () => {
    let tries = 0;
    const instance = await place.open(
      flightProject,
      failing(() => {
        tries++;
        return true;
      }),
    );
    await instance.log.append([{ event: flights(1)[0] as AcceptedEvent, partitions: [0] }]);
    await sleep(900);
    expect(tries).toBeGreaterThan(2);
    expect(tries).toBeLessThan(8);
    const startMs = performance.now();
    await instance.close();
    expect(performance.now() - startMs).toBeLessThan(200);
  });
});

it('entities that do not fit into the memory are read again, and nothing of them is lost', async () => {
  const tiny = { ...flightProject, limits: { ...flightProject.limits, memoryBytesMax: 2000 } };
  const instances = [await place.open(tiny), await place.open(tiny)] as const;
  const events = flights(1000);
  for (let from = 0; from < events.length; from += 50) {
    await append(instances[(from / 50) % 2] as Instance, events.slice(from, from + 50));
    for (const view of [flightViews.byOrigin, flightViews.overall])
      instances[0].source.get(view, view === flightViews.overall ? '' : 'JFK', Date.now(), false);
  }
  for (const instance of instances) await instance.settle();
  const expected = expectedRows(events);
  for (const instance of instances) await expectRows(instance, expected);
});

it('readers that wait for tiles while others apply get in nobody’s way, and see the end of it', async () => {
  const random = seededRandom(3);
  /** As a store that is not on this machine: a read takes its time, and may be old when it comes. */
  const slow = (tiles: TileStore): TileStore => ({
    ...tiles,
    get: () => undefined,
    async read(entities) {
      await sleep(random() * 4);
      const found = await tiles.read(entities);
      await sleep(random() * 4);
      return found;
    },
  });
  const instances = [await place.open(flightProject, slow), await place.open(flightProject, slow)] as const;
  const events = flights(600);
  const keys = expectedRows(events.slice(0, 1)).map(({ view, key }) => ({ view: viewNamed(view), key }));
  let isDone = false;
  const readers = instances.map(async ({ source }) => {
    for (; !isDone; await sleep(1)) await source.read(keys, Date.now(), false);
  });
  for (let from = 0; from < events.length; from += 25)
    await append(instances[(from / 25) % 2] as Instance, events.slice(from, from + 25));
  for (const instance of instances) await instance.settle();
  isDone = true;
  await Promise.all(readers);
  const expected = expectedRows(events);
  for (const instance of instances) await expectRows(instance, expected);
});

it('closing in the middle leaves the rest for the next start', async () => {
  const events = flights(2000);
  let applied = 0;
  for (let start = 0; start < 8; start++) {
    const instance = await place.open(flightProject);
    await append(instance, events.slice(start * 250, (start + 1) * 250));
    await instance.close();
    applied += await appliedCount(instance);
    expect(await metricOf(instance.metrics, 'millrace_apply_failures_total')).toBe(0);
  }
  const last = await place.open(flightProject);
  await last.settle();
  applied += await appliedCount(last);
  const records = (await last.log.sizes()).reduce((sum, { nextOffset }) => sum + nextOffset, 0);
  expect(applied).toBe(records);
  await expectRows(last, expectedRows(events));
});

it('an event of a type that an older server does not know is set aside by it, and counts once a newer one retries', async () => {
  const older = await place.open({ ...flightProject, eventTypes: new Map(), featureViews: new Map() });
  const events = flights(60);
  const writes = events.map((event) => writeOf(event, createStreamRouting(Object.values(flightViews), 4)));
  // Nobody else applies yet.
  const idle = await place.open(flightProject);
  await idle.close();
  await idle.log.append(writes);
  await older.settle();
  const records = writes.reduce((sum, { partitions }) => sum + partitions.length, 0);
  const [letter] = await older.deadLetters.list(0, 1);
  expect(letter?.reason).toBe('the project has no event type "departure"');
  expect(await older.deadLetters.count()).toBe(records);
  await older.close();
  const newer = await place.open(flightProject);
  for await (const numbers of numbersOfAll(newer.deadLetters))
    await retrySetAside(newer.log, newer.deadLetters, numbers);
  await newer.settle();
  expect(await newer.deadLetters.count()).toBe(0);
  await expectRows(newer, expectedRows(events));
});

describe('tiles of an older project', () => {
  const withoutMax: Project = {
    ...flightProject,
    featureViews: new Map(
      [...flightProject.featureViews].map(([name, view]) => [
        name,
        { ...view, features: view.features.filter(({ aggregation }) => aggregation?.name !== 'max') },
      ]),
    ),
  };

  it('keep what features count that stay, while others are taken away and added', async () => {
    const events = flights(900);
    for (const [start, project] of [withoutMax, flightProject, withoutMax].entries()) {
      const instance = await place.open(project);
      await append(instance, events.slice(start * 300, (start + 1) * 300));
      await instance.settle();
      await instance.close();
    }
    const last = await place.open(withoutMax);
    await expectRows(last, expectedRows(events, withoutMax.featureViews), withoutMax.featureViews);
    expect(await last.deadLetters.count()).toBe(0);
  });

  it('do not count for a view that is of other events now', async () => {
    const events = flights(300);
    const first = await place.open(flightProject);
    await append(first, events.slice(0, 200));
    await first.settle();
    await first.close();
    const swapped = { ...flightViews.byOrigin, stream: flightViews.byDestination.stream };
    const views = new Map([...flightProject.featureViews, ['by_origin', swapped as FeatureView]]);
    const second = await place.open({ ...flightProject, featureViews: views });
    await append(second, events.slice(200));
    await second.settle();
    const later = expectedRows(events.slice(200)).filter(({ view }) => view === 'by_destination');
    await expectRows(
      second,
      later.map((row) => ({ ...row, view: 'by_origin' })),
      views,
    );
  });
});
