/** What the tests of this folder share: scratch folders, a log that can be read, a clock that is set, keys. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { KeyRecord } from '../../src/access/key-records.ts';
import { makeKey } from '../../src/access/make-key.ts';
import type { MadeKey } from '../../src/access/make-key.ts';
import type { Log } from '../../src/telemetry/log.ts';

/** A folder that goes when the test ends. */
export async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-access-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface ReadableLog {
  readonly log: Log;
  /** `level: message` of each line so far. */
  readonly lines: string[];
}

export function readableLog(): ReadableLog {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      const { level, msg } = JSON.parse(String(chunk)) as { level: string; msg: string };
      lines.push(`${level}: ${msg}`);
      done();
    },
  });
  return { log: pino({ formatters: { level: (level) => ({ level }) } }, stream), lines };
}

export interface SetClock {
  timeMs: number;
  nowMs(): number;
}

export function setClock(time = '2026-06-01T00:00:00Z'): SetClock {
  return {
    timeMs: Date.parse(time),
    nowMs() {
      return this.timeMs;
    },
  };
}

export function madeKey(parts: Partial<KeyRecord> = {}): MadeKey {
  const made = makeKey({
    name: 'shop',
    scopes: ['predict'],
    createdMs: Date.parse('2026-01-01T00:00:00Z'),
    expiresMs: undefined,
    rate: undefined,
    ...parts,
  });
  return { text: made.text, record: { ...made.record, ...parts } };
}
