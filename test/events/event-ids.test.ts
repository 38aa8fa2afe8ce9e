import { expect, it } from 'vitest';
import { createEventIds } from '../../src/events/event-ids.ts';

it('makes ids that are UUIDs of version 7, each greater than the one before, whatever the clock does', () => {
  let nowMs = Date.parse('2001-03-09T14:05:00Z');
  const next = createEventIds({ nowMs: () => nowMs });
  const ids: string[] = [];
  for (const stepMs of [0, 1, -5000, 1000, 10_000]) {
    nowMs += stepMs;
    for (let i = 0; i < 5000; i++) ids.push(next());
  }
  expect(ids[0]).toMatch(/^00e523b6-e6e0-7000-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
