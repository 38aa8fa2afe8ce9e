import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { LogRecord } from '../../src/events/event-log.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { click, clickEvent } from './sample-events.ts';

const ROUNDS = 4;
const writer = ['--import', 'tsx', 'test/events/log-writer.ts'];
const path = mkdtempSync(join(tmpdir(), 'millrace-log-crash-'));
afterAll(() => rmSync(path, { recursive: true }));

describe('a process that is killed while it appends', () => {
  const acknowledged = new Set<string>();

  it.each(Array.from({ length: ROUNDS }, (_, round) => [round + 1]))(
    'loses nothing that it acknowledged, and has nothing twice or by halves (round %i)',
    async (round) => {
      const linesMax = 1 + Math.floor(Math.random() * 3000);
      // Two processes append to one log, as workers do; both are killed.
      const acks = await Promise.all([0, 1].map(async (i) => writeUntilKilled(`${round}-${i}`, linesMax)));
      for (const id of acks.flat()) acknowledged.add(id);
      expect(acks.flat().length).toBeGreaterThan(0);
      await checkLog(acknowledged);
    },
  );

  async function writeUntilKilled(round: string, linesMax: number): Promise<string[]> {
    const child = spawn('node', [...writer, 'write', path, round], { stdio: ['ignore', 'pipe', 'inherit'] });
    const acks: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      acks.push(line);
      if (acks.length === linesMax) child.kill('SIGKILL');
    });
    await once(child, 'close');
    return acks;
  }
});

async function checkLog(acknowledged: ReadonlySet<string>): Promise<void> {
  const environment = await openLmdbEnvironment({ path });
  const types = new Map([['click', click]]);
  const log = await openLmdbEventLog({ environment, types, partitionCount: 4, clock: systemClock });
  const originals = new Set<string>();
  const copies = new Set<string>();
  for (const [partition, { firstOffset, nextOffset }] of (await log.sizes()).entries()) {
    expect(firstOffset).toBe(0);
    const { records } = await log.read(partition, 0, { recordsMax: 1e9, bytesMax: 1e12 });
    expect(records).toHaveLength(nextOffset);
    for (const record of records) keep(record.isCopy ? copies : originals, record);
  }
  expect([...acknowledged].filter((id) => !originals.has(id))).toEqual([]);
  expect([...originals].filter((id) => !copies.has(id))).toEqual([]);
  expect(copies.size).toBe(originals.size);
  const again = [...originals].map((id) => ({ event: clickEvent(id), partitions: [0] }));
  expect(new Set(await log.append(again))).toEqual(new Set(['duplicate']));
  await log.close();
  await environment.close();
}

function keep(ids: Set<string>, { event }: LogRecord): void {
  const id = event?.id ?? 'unreadable';
  if (ids.has(id)) throw new Error(`${id} is there twice`);
  ids.add(id);
  if (event?.values[0] !== 'x'.repeat(Number(id.split('/')[1]) % 700)) throw new Error(`${id} is damaged`);
}

it('refuses events when the disk is full, keeps what it has, and goes on once there is room', async () => {
  const full = mkdtempSync(join(tmpdir(), 'millrace-log-full-'));
  // 4 MB, in units of 512 bytes.
  const command = `ulimit -f 8192; exec node ${writer.join(' ')} fill ${full}`;
  const { stdout } = await promisify(execFile)('sh', ['-c', command]);
  rmSync(full, { recursive: true });
  const { outcomes, ...rest } = JSON.parse(stdout) as { readonly outcomes: string[] };
  expect(outcomes.length).toBeGreaterThan(0);
  for (const outcome of outcomes)
    expect(outcome).toMatch(/^STORE_FAILED .*the store in .*Nothing was written\.$/);
  expect(rest).toEqual({ missing: 0, again: ['duplicate'], later: outcomes.map(() => 'appended') });
});
