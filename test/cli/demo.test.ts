import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, start } from './process.ts';

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

const aucOf = (stdout: string, model: string): number =>
  Number(new RegExp(`${model} +(0\\.\\d+)`).exec(stdout)?.[1]);

describe('millrace demo', () => {
  it('prints the held-out AUC of both versions, reuses the data, and loads it again where it is gone', async () => {
    const data = join(scratch, 'data');
    const demo = ['demo', '--exit', '--port', '0', '--data', data];
    const first = await run(demo);
    expect([first.code, first.stderr]).toEqual([0, '']);
    expect(first.stdout).toContain('Loaded airports.csv');
    expect(aucOf(first.stdout, 'flight-delay@2')).toBeGreaterThan(0.625);
    expect(aucOf(first.stdout, 'flight-delay@2')).toBeGreaterThan(aucOf(first.stdout, 'flight-delay@1'));
    expect((await run(demo)).stdout).toContain('Feature data is loaded already');
    await rm(join(data, 'data.mdb'));
    const again = await run(demo);
    expect(again.stdout).toContain('Loaded airports.csv');
    expect(aucOf(again.stdout, 'flight-delay@2')).toBe(aucOf(first.stdout, 'flight-delay@2'));
  });

  it('serves on until SIGINT, and ends with 0', async () => {
    const running = start(['demo', '--port', '0', '--data', join(scratch, 'data')]);
    await running.printed(/Ctrl-C stops it/);
    running.child.kill('SIGINT');
    const end = await running.finished;
    expect([end.code, end.stdout.trimEnd().split('\n').at(-1)]).toEqual([0, 'Stopped.']);
  });

  it('ends with 0 when it is stopped during the replay', async () => {
    const running = start(['demo', '--port', '0', '--data', join(scratch, 'fresh')]);
    await running.printed(/Loaded airports/);
    running.child.kill('SIGINT');
    const end = await running.finished;
    expect([end.code, end.stderr]).toEqual([0, '']);
  });

  it('says in one sentence that a data folder cannot be used', async () => {
    const file = join(scratch, 'a-file');
    await writeFile(file, 'x');
    for (const data of [file, '/proc/nowhere']) {
      const { code, stderr } = await run(['demo', '--exit', '--port', '0', '--data', data]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^millrace: .*name another data folder\.\n$/);
    }
  });
});
