import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auc } from '../../src/stats/auc.ts';
import { offlineFlights } from '../e2e/offline-flights.ts';
import { predictionsOf, readJoinedIn } from '../events/read-joined.ts';
import { run, start } from './process.ts';
import { sharedProcess } from './shared-process.ts';

const runShared = sharedProcess();
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

/** Of the held-out ones. What each model is worth on all of them is tested in test/e2e/replay.test.ts. */
const FLIGHTS = 500;
const HELD_OUT = 6000;

/** Of a model, as the demo prints it: how many outcomes, and the AUC. */
function aucOf(stdout: string, model: string): readonly [number, string | undefined] {
  const [, count, measured] = new RegExp(`${model} +(\\d+) +(0\\.\\d+)`).exec(stdout) ?? [];
  return [Number(count), measured];
}

describe('millrace demo', () => {
  it('answers live what training has measured, and refuses a folder that has seen the future', async () => {
    const data = join(scratch, 'data');
    const demo = ['demo', '--exit', '--port', '0', '--flights', String(FLIGHTS), '--data', data];
    const { code, stdout } = await run(demo);
    expect(code).toBe(0);
    // Whoever reads the log finds what the demo has printed: each prediction, with what came of it.
    const logged = predictionsOf(await readJoinedIn(data));
    expect(logged.length).toBe(FLIGHTS);
    for (const version of ['1', '2'] as const) {
      const own = logged.filter((prediction) => prediction.version === version).flatMap(({ rows }) => rows);
      expect(Math.abs(own.length - FLIGHTS / 2)).toBeLessThan(FLIGHTS / 10);
      expect(new Set(own.map(({ feedback }) => feedback.length))).toEqual(new Set([1]));
      const joined = auc(
        own.map(({ outputs }) => Number(outputs['delayed'])),
        own.map(({ feedback }) => feedback[0]?.label === true),
      );
      expect([own.length, joined.toFixed(4)]).toEqual(aucOf(stdout, `flight-delay@${version}`));
      const live = new Map(own.map(({ fields, outputs }) => [fields['flight_id'], outputs['delayed']]));
      const heldOut = (await offlineFlights(version, scratch)).slice(-HELD_OUT).slice(0, FLIGHTS);
      const shown = heldOut.filter(({ flightId }) => live.has(flightId));
      expect(shown.length).toBe(own.length);
      for (const { flightId, score } of shown)
        expect(Math.abs(Number(live.get(flightId)) - score), flightId).toBeLessThan(1e-6);
    }
    expect(stdout).toMatch(
      new RegExp(`^  millrace experiment report trees-or-line --project /\\S+/models --data ${data}$`, 'm'),
    );
    expect(stdout).toMatch(/^ {2}millrace rollout status flight-delay --url http:\/\/\S+:\d+$/m);
    expect(stdout).toMatch(/brier/);
    expect(stdout).toMatch(/shadows, beside what was answered\n +random-trees\n +requests compared +\d+/);
    const again = await run(demo);
    expect(again.code).toBe(1);
    expect(again.stderr).toBe(
      'millrace: The data folder has the events of an earlier demo, which would tell the future. Name an empty one with --data, or none.\n',
    );
  }, 300_000);

  it('deploys a broken version, which is rolled back by itself', async () => {
    const demo = ['demo', '--scenario', 'bad-canary', '--exit', '--port', '0', '--flights', '1500'];
    const { code, stdout, stderr } = await run(demo);
    expect([code, stderr.includes('millrace:')]).toEqual([0, false]);
    expect(stdout).toMatch(/Deployed swapped, .* on 5 % of the flights/);
    expect(stdout).toMatch(/Rolled back by the judge, seen after \d+ flights and [\d.]+ s: .*delayed/);
    expect(stdout).toMatch(/flight-delay: canary.*, rolled back\n/);
    expect(stdout).toMatch(/traffic: gbm 100 %/);
    expect(stdout).toMatch(/rollback +judge +rolled back/);
  }, 120_000);

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
      const { code, stderr } = await runShared(['demo', '--exit', '--port', '0', '--data', data]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^millrace: .*name another data folder\.\n$/);
    }
  });
});
