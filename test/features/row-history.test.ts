import { expect, it } from 'vitest';
import { createRowHistory } from '../../src/features/row-history.ts';
import type { FeatureView } from '../../src/project/project.ts';

const view: FeatureView = {
  name: 'profile',
  entity: { name: 'airport', keys: [{ name: 'iata', type: 'string' }] },
  ttlMs: undefined,
  timestampField: 'event_timestamp',
  onUnavailable: 'default',
  features: [
    {
      name: 'gates',
      type: { scalar: 'int64', length: undefined },
      index: 0,
      default: undefined,
    },
  ],
};

it('gives the latest row of a key that is not later than the time, whatever the order of writing', async () => {
  const history = createRowHistory();
  const times = [30, 10, 20, 40];
  await history.write(times.map((time) => ({ view, key: 'JFK', row: [time, time] })));
  const asOf = [9, 10, 19, 20, 39, 40, 1000];
  expect(asOf.map((time) => history.get(view, 'JFK', time)?.[1] ?? null)).toEqual([
    null,
    10,
    10,
    20,
    30,
    40,
    40,
  ]);
  expect(history.get(view, 'LAX', 1000)).toBeNull();
});

it('keeps the later write of two with one time', async () => {
  const history = createRowHistory();
  await history.write([10, 20].map((time) => ({ view, key: 'JFK', row: [time, 1] })));
  await history.write([{ view, key: 'JFK', row: [10, 2] }]);
  expect([history.get(view, 'JFK', 15), history.get(view, 'JFK', 20)]).toEqual([
    [10, 2],
    [20, 1],
  ]);
});
