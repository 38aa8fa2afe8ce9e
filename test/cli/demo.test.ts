import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auc } from '../../src/stats/auc.ts';
import { predictionsOf, readJoinedIn } from '../events/read-joined.ts';
import { run, start } from './process.ts';

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

const aucOf = (stdout: string, model: string): number =>
  Number(new RegExp(`${model} +6000 +(0\\.\\d+)`).exec(stdout)?.[1]);

interface Report {
  readonly versions: Readonly<Record<string, { readonly held_out_auc: number }>>;
}

describe('millrace demo', () => {
  it('reaches live what was measured in training, and refuses a folder that has seen the future', async () => {
    const report = JSON.parse(await readFile('models/train/report.json', 'utf8')) as Report;
    const demo = ['demo', '--exit', '--port', '0', '--data', join(scratch, 'data')];
    const { code, stdout } = await run(demo);
    expect(code).toBe(0);
    for (const version of ['1', '2']) {
      const trained = report.versions[version]?.held_out_auc as number;
      expect(Math.abs(aucOf(stdout, `flight-delay@${version}`) - trained)).toBeLessThan(0.002);
    }
    expect(aucOf(stdout, 'flight-delay@2')).toBeGreaterThan(0.66);
    // Whoever reads the log finds what the demo has printed: each prediction, with what came of it.
    const logged = predictionsOf(await readJoinedIn(join(scratch, 'data')));
    for (const version of ['1', '2']) {
      const own = logged.filter((prediction) => prediction.version === version).flatMap(({ rows }) => rows);
      expect(own.length).toBe(6000);
      expect(new Set(own.map(({ feedback }) => feedback.length))).toEqual(new Set([1]));
      const scores = own.map(({ outputs }) => Number(outputs['delayed']));
      const joined = auc(
        scores,
        own.map(({ feedback }) => feedback[0]?.label === true),
      );
      expect(joined.toFixed(4)).toBe(aucOf(stdout, `flight-delay@${version}`).toFixed(4));
    }
    const again = await run(demo);
    expect(again.code).toBe(1);
    expect(again.stderr).toBe(
      'millrace: The data folder has the events of an earlier demo, which would tell the future. Name an empty one with --data, or none.\n',
    );
  }, 300_000);

  it('serves on until SIGINT, ends with 0, and leaves no folder behind', async () => {
    const env = { TMPDIR: scratch };
    const running = start(['demo', '--port', '0', '--flights', '20'], { env });
    await running.printed(/Ctrl-C stops it/);
    running.child.kill('SIGINT');
    const end = await running.finished;
    expect([end.code, end.stdout.trimEnd().split('\n').at(-1)]).toEqual([0, 'Stopped.']);
    expect((await readdir(scratch)).filter((name) => name.startsWith('millrace-demo-'))).toEqual([]);
  });

  it('ends with 0 when it is stopped during the replay, and keeps the speed that is asked for', async () => {
    const running = start(['demo', '--port', '0', '--speed', '5', '--data', join(scratch, 'fresh')]);
    await running.printed(/Sent the departures of 14000 flights/);
    running.child.kill('SIGINT');
    const end = await running.finished;
    expect([end.code, end.stderr.includes('millrace:')]).toEqual([0, false]);
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
