import { afterEach, beforeEach, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import type { Project } from '../../src/project/project.ts';
import { flightEvent, flightProject, flightViews, writeOf } from './flight-stream.ts';
import { createStreamingPlace } from './streaming-place.ts';
import type { StreamingPlace } from './streaming-place.ts';

let place: StreamingPlace;
beforeEach(async () => {
  place = await createStreamingPlace();
});
afterEach(async () => place.remove());

const { byOrigin } = flightViews;
const project: Project = {
  ...flightProject,
  limits: { ...flightProject.limits, memoryBytesMax: 256 * 1024 ** 2 },
};

it('holds nobody up when an epoch ends, however many entities are in memory', async () => {
  let epoch = 1;
  const { source } = await place.open(project, (tiles) => ({ ...tiles, epochOf: () => epoch }));
  const keys = Array.from({ length: 100_000 }, (_, i) => ({ view: byOrigin, key: `airport ${i}` }));
  for (let from = 0; from < keys.length; from += 10_000)
    await source.read(keys.slice(from, from + 10_000), 0, false);
  epoch++;
  // It is looked for once a turn of the event loop.
  await new Promise(setImmediate);
  const beganMs = performance.now();
  expect(source.get(byOrigin, 'airport 1', 0, false)).toBeNull();
  // Walking through all of them, partition by partition, takes twice as long, and with more partitions longer.
  expect(performance.now() - beganMs).toBeLessThan(200);
});

it('does not give up tiles for the applier when a prediction would, and does not make it wait for one that does', async () => {
  let giveUp = (): void => undefined;
  const givenUp = new Promise<void>((resolve) => (giveUp = resolve));
  const instance = await place.open(project, (tiles) => ({
    ...tiles,
    get: () => undefined,
    async read(entities, patience) {
      if (patience === 'applier') return tiles.read(entities);
      await givenUp;
      throw new MillraceError('STORE_FAILED', 'no answer in time');
    },
  }));
  const { source, log, routing } = instance;
  const event = { ...flightEvent(() => 0.5, 0), values: ['JFK', 'LAX', 7] };
  const early = source.read([{ view: byOrigin, key: 'JFK' }], event.timeMs, false);
  await log.append([writeOf(event, routing)]);
  await instance.settle();
  giveUp();
  expect((await early)[0]?.[1]).toBe(1);
  expect(source.get(byOrigin, 'JFK', event.timeMs, false)?.[1]).toBe(1);
});
