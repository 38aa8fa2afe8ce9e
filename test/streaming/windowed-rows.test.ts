import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Project } from '../../src/project/project.ts';
import { flightProject, flightViews } from './flight-stream.ts';
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
