import { describe, expect, it } from 'vitest';
import { ageMs, rowStatus, valueStatus } from '../../src/features/feature-status.ts';
import type { RowStatus } from '../../src/features/feature-status.ts';
import type { Row } from '../../src/features/online-store.ts';
import type { Feature } from '../../src/project/project.ts';
import { entityOf, viewOf } from './sample-project.ts';

const entity = entityOf('airport', { iata: 'string' });
const withTtl = viewOf('view', entity, { a: 'float64' }, { ttlMs: 100 });
const forever = viewOf('view', entity, { a: 'float64' });
const row: Row = [1000, 1.5];

describe('rowStatus', () => {
  it('is NOT_FOUND without a row', () => {
    expect(rowStatus(withTtl, null, 1000, false)).toBe('NOT_FOUND');
    expect(rowStatus(withTtl, null, 1000, true)).toBe('NOT_FOUND');
  });

  it('is OUTSIDE_MAX_AGE once the row is older than the ttl', () => {
    expect(rowStatus(withTtl, row, 1100, false)).toBe('PRESENT');
    expect(rowStatus(withTtl, row, 1101, false)).toBe('OUTSIDE_MAX_AGE');
    expect(rowStatus(withTtl, row, 1101, true)).toBe('OUTSIDE_MAX_AGE');
    expect(rowStatus(forever, row, Number.MAX_SAFE_INTEGER, false)).toBe('PRESENT');
  });

  it('takes a ttl of 0 for what it says', () => {
    const now = viewOf('view', entity, {}, { ttlMs: 0 });
    expect(rowStatus(now, row, 1000, false)).toBe('PRESENT');
    expect(rowStatus(now, row, 1001, false)).toBe('OUTSIDE_MAX_AGE');
  });

  it('serves a row from ahead of the clock, but not from behind an explicit as_of', () => {
    expect(rowStatus(withTtl, row, 999, false)).toBe('PRESENT');
    expect(rowStatus(withTtl, row, 999, true)).toBe('NOT_FOUND');
    expect(rowStatus(withTtl, row, 1000, true)).toBe('PRESENT');
  });
});

describe('valueStatus', () => {
  const view = viewOf('view', entity, { a: 'float64', b: 'float64', c: 'float32[2]' });
  const statusOf = (name: string, of: Row | null, status: RowStatus): string =>
    valueStatus(view, view.features.find((feature) => feature.name === name) as Feature, of, status);

  it('is NULL_VALUE for a null in a row that is present, else what the row is', () => {
    const whole: Row = [1000, 0, null, [1, 2]];
    expect(statusOf('a', whole, 'PRESENT')).toBe('PRESENT');
    expect(statusOf('b', whole, 'PRESENT')).toBe('NULL_VALUE');
    expect(statusOf('b', null, 'NOT_FOUND')).toBe('NOT_FOUND');
    expect(statusOf('b', whole, 'OUTSIDE_MAX_AGE')).toBe('OUTSIDE_MAX_AGE');
    expect(statusOf('a', whole, 'OUTSIDE_MAX_AGE')).toBe('OUTSIDE_MAX_AGE');
  });

  it('is NOT_FOUND for a feature that was never written into a row that is present', () => {
    const partial: Row = [1000, 1.5, null, null, [2]];
    expect(statusOf('a', partial, 'PRESENT')).toBe('PRESENT');
    expect(statusOf('b', partial, 'PRESENT')).toBe('NULL_VALUE');
    expect(statusOf('c', partial, 'PRESENT')).toBe('NOT_FOUND');
    expect(statusOf('c', partial, 'OUTSIDE_MAX_AGE')).toBe('OUTSIDE_MAX_AGE');
  });
});

describe('ageMs', () => {
  it('counts from the event time and is never below 0', () => {
    expect(ageMs(row, 1500)).toBe(500);
    expect(ageMs(row, 999)).toBe(0);
  });
});
