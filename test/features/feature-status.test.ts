import { describe, expect, it } from 'vitest';
import { ageMs, rowStatus, valueStatus } from '../../src/features/feature-status.ts';
import type { Row } from '../../src/features/online-store.ts';
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
  it('is NULL_VALUE for a null in a row that is present, else what the row is', () => {
    expect(valueStatus('PRESENT', 0)).toBe('PRESENT');
    expect(valueStatus('PRESENT', null)).toBe('NULL_VALUE');
    expect(valueStatus('NOT_FOUND', null)).toBe('NOT_FOUND');
    expect(valueStatus('OUTSIDE_MAX_AGE', null)).toBe('OUTSIDE_MAX_AGE');
    expect(valueStatus('OUTSIDE_MAX_AGE', 1.5)).toBe('OUTSIDE_MAX_AGE');
  });
});

describe('ageMs', () => {
  it('counts from the event time and is never below 0', () => {
    expect(ageMs(row, 1500)).toBe(500);
    expect(ageMs(row, 999)).toBe(0);
  });
});
