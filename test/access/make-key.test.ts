import { describe, expect, it } from 'vitest';
import { rotateKey } from '../../src/access/make-key.ts';
import { madeKey } from './scratch.ts';

const DAY_MS = 86_400_000;
const nowMs = Date.parse('2026-06-01T00:00:00Z');

describe('a rotated key', () => {
  it('hands on name, scopes and rate, and lives until the end of the grace', () => {
    const rate = { perSecond: 5, burst: 9 };
    const { record } = madeKey({ name: 'web', scopes: ['predict', 'events:write'], rate });
    const { made, old } = rotateKey(record, nowMs, DAY_MS, undefined);
    expect(made.record).toMatchObject({ name: 'web', scopes: record.scopes, rate, createdMs: nowMs });
    expect(made.record.expiresMs).toBeUndefined();
    expect(made.record.id).not.toBe(record.id);
    expect(old).toEqual({ ...record, expiresMs: nowMs + DAY_MS });
  });

  it('is made for as long as the old one was, or as is said', () => {
    const { record } = madeKey({ createdMs: nowMs - 50 * DAY_MS, expiresMs: nowMs + 40 * DAY_MS });
    expect(rotateKey(record, nowMs, DAY_MS, undefined).made.record.expiresMs).toBe(nowMs + 90 * DAY_MS);
    expect(rotateKey(record, nowMs, DAY_MS, 7 * DAY_MS).made.record.expiresMs).toBe(nowMs + 7 * DAY_MS);
  });

  it('gives the old one no longer life than it had', () => {
    const { record } = madeKey({ expiresMs: nowMs + 1000 });
    expect(rotateKey(record, nowMs, DAY_MS, undefined).old.expiresMs).toBe(nowMs + 1000);
  });
});
