import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import { entityOf, viewOf } from './sample-project.ts';

const ROUNDS = 6;
const BATCH_ROWS = 10;
const view = viewOf('batches', entityOf('entity', { id: 'string' }), { batch: 'int64', text: 'string' });

describe('a process that is killed while it writes', () => {
  const path = mkdtempSync(join(tmpdir(), 'millrace-crash-'));
  afterAll(() => rmSync(path, { recursive: true }));
  const acknowledged: number[] = [];

  it.each(Array.from({ length: ROUNDS }, (_, round) => [round + 1]))(
    'loses nothing that it acknowledged, and leaves no part of a call (round %i)',
    async (round) => {
      const first = round * 100_000;
      const acks = await writeUntilKilled(first, 1 + Math.floor(Math.random() * 300));
      acknowledged.push(...acks);
      const store = await openLmdbStoreAlone({ path, views: [view] });
      const found = (batch: number): number =>
        Array.from({ length: BATCH_ROWS }, (_, i) => store.get(view, `${batch}/${i}`)).filter(
          (row) => row?.[1] === batch && row[2] === 'x'.repeat(batch % 3000),
        ).length;
      expect(acks.length).toBeGreaterThan(0);
      expect(acknowledged.filter((batch) => found(batch) !== BATCH_ROWS)).toEqual([]);
      // Batches in flight when the process was killed: each is there as a whole, or not at all.
      const last = Math.max(...acks);
      for (let batch = first; batch < last + 10; batch++) expect([0, BATCH_ROWS]).toContain(found(batch));
      await store.close();
    },
  );

  async function writeUntilKilled(first: number, acksMax: number): Promise<number[]> {
    const args = ['--import', 'tsx', 'test/features/lmdb-writer.ts', 'batches', path, String(first)];
    const child = spawn('node', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const acks: number[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      acks.push(Number(line));
      if (acks.length === acksMax) child.kill('SIGKILL');
    });
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
    return acks;
  }
});
