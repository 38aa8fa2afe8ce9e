/** The README's tour, command by command, as a reader would type it, and the answers that it promises. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { followTour, freePort } from './tour.ts';

let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-tour-'));
});

afterAll(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

it('works as the README says', async () => {
  const port = await freePort();
  const printed = await followTour('README.md', [
    ['npx millrace rollout', `MILLRACE_URL=http://localhost:${port} npx millrace rollout`],
    ['8080', String(port)],
    ['--data .millrace', `--data ${dataDir}`],
  ]);
  expectTour(printed.slice(0, 2), printed.slice(2));
}, 120_000);

function expectTour(prepared: readonly string[], answers: readonly string[]): void {
  expect(prepared[0]).toContain('flight-delay@2');
  expect(prepared[1]).toMatch(/224/);
  const [predicted, ranked, pushed, traced, features, live, mistake, rollouts, operations] = answers as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  expect(predictionsOf(predicted)).toEqual([{ delayed: expect.any(Number) as number }]);
  expect(predictionsOf(ranked)).toHaveLength(2);
  expect(pushed).toBe('');
  expect(traced).toContain('"latitude":{"value":40.6413,"status":"PRESENT"}');
  expect(predictionsOf(traced)).toHaveLength(1);
  expect(features).toContain('"New York"');
  expect(features).toContain('NOT_FOUND');
  expect(live).toContain('{"events":[{"status":"accepted","id":"AA-1 today"}]}');
  expect(live).toMatch(/"values":\[1\].*"values":\[42\]/);
  expect(JSON.parse(mistake)).toMatchObject({ code: 'INVALID_REQUEST' });
  for (const part of ['did you mean \\"origin\\"?', 'rows[0].distance', 'rows[0].scheduled']) {
    expect(mistake).toContain(part);
  }
  expect(rollouts).toContain('traffic: logistic 50 %, gbm 50 %');
  expect(rollouts).toContain('traffic: logistic 100 %');
  expect(rollouts).toContain('"variant":"logistic"');
  expect(rollouts).toMatch(/2 +\S+ +put [^]*the trees are being retrained/);
  expect(operations).toContain('{"ready":true}');
  expect(operations).toContain(
    'millrace_requests_total{route="predict",endpoint="flight-delay",status="200"} 4',
  );
}

function predictionsOf(answer: string): { delayed: number }[] {
  return (JSON.parse(answer) as { predictions: { delayed: number }[] }).predictions;
}
