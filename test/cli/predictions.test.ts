/** `millrace predictions export`: predictions with their feedback, beside a running server and without one. */
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { feedbackType, predictionType, requestPartition } from '../../src/events/prediction-events.ts';
import type { BlockShape, RecordParts } from '../../src/events/prediction-events.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { PredictionLogSettings } from '../../src/project/project.ts';
import { openPredictionEvents } from '../../src/serving/open-prediction-log.ts';
import { call, demoDir, goodFlight, predict, startDemoServer } from '../e2e/demo-server.ts';
import type { DemoServer, Reply } from '../e2e/demo-server.ts';
import { start } from './process.ts';
import type { Finished } from './process.ts';
import { sharedProcess } from './shared-process.ts';

vi.setConfig({ testTimeout: 60_000 });

/** What was answered is in the log about a tenth of a second later. */
const LOGGED = { timeout: 10_000 };
const PARTITIONS = 8;

const run = sharedProcess();
let demo: DemoServer | undefined;
const scratch = await mkdtemp(join(tmpdir(), 'millrace-cli-predictions-'));
afterAll(async () => rm(scratch, { recursive: true }));
afterEach(async () => {
  await demo?.stop();
  demo = undefined;
  for (const name of await readdir(scratch)) await rm(join(scratch, name), { recursive: true });
});

interface Line {
  readonly request_id: string;
  readonly time: string;
  readonly rows: readonly Record<string, unknown>[];
  readonly feedback: readonly object[] | null;
  readonly [name: string]: unknown;
}

async function exported(dataDir: string, ...args: readonly string[]): Promise<Finished> {
  return run(['predictions', 'export', '--project', demoDir, '--data', dataDir, ...args]);
}

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

function idsOf(text: string): string[] {
  return linesOf(text)
    .map((line) => line.request_id)
    .sort();
}

async function serve(log: Partial<PredictionLogSettings>): Promise<DemoServer> {
  demo = await startDemoServer({}, log);
  return demo;
}

async function report({ server }: DemoServer, feedback: readonly object[]): Promise<void> {
  const { status } = await call(server, '/v1/feedback', { body: JSON.stringify(feedback) });
  expect(status).toBe(202);
}

function idOf({ json }: Reply): string {
  return json['request_id'] as string;
}

interface WrittenLog {
  readonly count: number;
  /** Of how many predictions one gets feedback. */
  readonly feedbackEvery: number;
}

const shape: BlockShape = { fields: ['a'], hashed: [], outputs: ['y'], bindings: [], reads: [] };
const FIRST_MS = Date.parse('2001-03-09T00:00:00Z');

/** A prediction each second, in blocks of one. */
async function writeLog(dataDir: string, { count, feedbackEvery }: WrittenLog): Promise<void> {
  const environment = await openLmdbEnvironment({ path: dataDir });
  const log = await openPredictionEvents(environment, PARTITIONS, systemClock);
  const common = { receivedMs: FIRST_MS, timeMs: FIRST_MS };
  const head = ['flight-delay', 'v', 'm', '1', JSON.stringify(shape), 1];
  const writes = Array.from({ length: count }, (_, i) => {
    const requestId = `r-${i}`;
    const record: RecordParts = [requestId, FIRST_MS + i * 1000, null, 1, 1, [[i]], [[i]], null];
    const prediction = {
      ...common,
      id: `p-${i}`,
      type: predictionType,
      values: [...head, JSON.stringify(record)],
    };
    const feedback = {
      ...common,
      id: `f-${i}`,
      type: feedbackType,
      values: [requestId, null, 'true', null, null],
    };
    const events = i % feedbackEvery === 0 ? [feedback, prediction] : [prediction];
    return events.map((event) => ({ event, partitions: [requestPartition(requestId, PARTITIONS)] }));
  });
  for (let at = 0; at < count; at += 1000) await log.append(writes.slice(at, at + 1000).flat());
  await log.close();
  await environment.close();
}

/** Of a type that this version does not have. */
async function addUnreadable(dataDir: string): Promise<void> {
  const environment = await openLmdbEnvironment({ path: dataDir });
  const type = { ...feedbackType, name: 'opinion' };
  const log = await openLmdbEventLog({
    environment,
    kind: 'prediction',
    types: new Map([[type.name, type]]),
    partitionCount: PARTITIONS,
    clock: systemClock,
  });
  const event = { id: 'o', type, timeMs: 1, receivedMs: 1, values: ['r-0', null, 'true', null, null] };
  await log.append([{ event, partitions: [0] }]);
  await log.close();
  await environment.close();
}

describe('millrace predictions export', () => {
  it('writes what was answered and what came of it, beside the running server', async () => {
    const running = await serve({ sample: 1, featuresSample: 1 });
    const rows = [goodFlight, { ...goodFlight, flight_id: 'AA-2', destination: 'XXX' }];
    const answer = await predict(running.server, 'flight-delay', { rows, as_of: '2001-03-09T12:00:00Z' });
    const other = await predict(running.server, 'flight-delay-baseline', { rows: [goodFlight] });
    const time = '2001-03-09T20:00:00.000Z';
    await report(running, [
      { request_id: idOf(answer), row: 1, label: true, id: 'outcome 1', time },
      { request_id: idOf(answer), reward: 0.5, id: 'worth', time },
      { request_id: idOf(answer), row: 2, click: true },
      { request_id: 'nobody', click: false },
    ]);
    await expect
      .poll(async () => idsOf((await exported(running.dataDir)).stdout), LOGGED)
      .toEqual([idOf(answer), idOf(other)].sort());

    const { code, stdout, stderr } = await exported(running.dataDir);
    expect([code, stderr]).toEqual([
      0,
      'note: for 2 reports of feedback the log has no prediction, or no such row\n2 predictions, 1 with feedback\n',
    ]);
    const lines = linesOf(stdout);
    expect(lines.find((line) => line.request_id === idOf(other))).toMatchObject({
      endpoint: 'flight-delay-baseline',
      as_of: null,
      feedback: null,
    });
    const line = lines.find((each) => each.request_id === idOf(answer));
    expect(Object.keys(line ?? {}).join(' ')).toBe(
      'request_id time as_of endpoint variant model version propensity latency_ms rows feedback',
    );
    expect(line).toMatchObject({
      as_of: '2001-03-09T12:00:00.000Z',
      endpoint: 'flight-delay',
      variant: 'gbm',
      model: 'flight-delay',
      version: '2',
      propensity: 1,
      latency_ms: expect.any(Number),
      feedback: [
        { id: 'outcome 1', row: 1, label: true, reward: null, click: null, time },
        { id: 'worth', row: null, label: null, reward: 0.5, click: null, time },
      ],
    });
    expect(Math.abs(Date.parse(line?.time ?? '') - Date.now())).toBeLessThan(60_000);
    expect(line?.rows.map(({ outputs }) => outputs)).toEqual(answer.json['predictions']);
    expect(line?.rows[1]).toMatchObject({
      fields: { ...rows[1], scheduled: Date.parse(goodFlight.scheduled) },
      keys: { origin: ['JFK'], destination: ['XXX'], everywhere: [] },
      features: {
        'origin.airport_profile': { age_ms: expect.any(Number), values: { latitude: expect.any(Number) } },
        'destination.airport_profile': { age_ms: null, values: { latitude: null } },
      },
    });
  });

  it('leaves protected fields as they are in the log', async () => {
    const running = await serve({
      sample: 1,
      featuresSample: 0,
      hash: ['origin'],
      leaveOut: ['destination'],
    });
    await predict(running.server, 'flight-delay', { rows: [goodFlight] });
    await running.server.close();
    const { stdout } = await exported(running.dataDir);
    const [line] = linesOf(stdout);
    expect(stdout).not.toMatch(/JFK|LAX/);
    const [row] = line?.rows ?? [];
    const origin = (row?.['fields'] as { readonly origin: string } | undefined)?.origin;
    expect(origin).toMatch(/^[\w-]{22}$/);
    expect(row).toMatchObject({ keys: { origin: [origin], everywhere: [] }, features: null });
  });

  it('takes those of an endpoint, of a time, with feedback, and not more than asked for', async () => {
    const data = join(scratch, 'data');
    await writeLog(data, { count: 20, feedbackEvery: 5 });
    const some = async (...args: string[]): Promise<readonly [string[], string]> => {
      const { stdout, stderr } = await exported(data, ...args);
      return [idsOf(stdout), stderr];
    };
    const at = (second: number): string => new Date(FIRST_MS + second * 1000).toISOString();
    expect(await some('--from', at(4), '--to', at(7))).toEqual([
      ['r-4', 'r-5', 'r-6'],
      '3 predictions, 1 with feedback\n',
    ]);
    expect(await some('--with-feedback')).toEqual([
      ['r-0', 'r-10', 'r-15', 'r-5'],
      '4 predictions, 4 with feedback\n',
    ]);
    expect(await some('--with-feedback', '--from', at(6))).toEqual([
      ['r-10', 'r-15'],
      '2 predictions, 2 with feedback\n',
    ]);
    const [limited, summary] = await some('--limit', '7');
    expect([limited.length, summary]).toEqual([
      7,
      expect.stringMatching(/^7 predictions, \d with feedback\n$/),
    ]);
    expect((await some('--endpoint', 'flight-delay'))[0].length).toBe(20);
    const { code, stderr } = await exported(data, '--endpoint', 'flight-dely');
    expect([code, stderr]).toEqual([1, expect.stringContaining('flight-delay')]);
  });

  it('writes a file, which is there when it is complete', async () => {
    const data = join(scratch, 'data');
    await writeLog(data, { count: 5000, feedbackEvery: 4 });
    const out = join(scratch, 'out.ndjson');
    await writeFile(out, 'of an earlier run');
    expect(await exported(data, '--out', out)).toEqual({
      code: 0,
      signal: null,
      stdout: `${out}: 5,000 predictions, 1,250 with feedback\n`,
      stderr: '',
    });
    const lines = linesOf(await readFile(out, 'utf8'));
    expect(new Set(lines.map((line) => line.request_id)).size).toBe(5000);
    for (const { request_id: id, feedback } of lines)
      expect(feedback?.length ?? 0, id).toBe(Number(id.slice(2)) % 4 === 0 ? 1 : 0);
    expect((await readdir(scratch)).sort()).toEqual(['data', 'out.ndjson']);
    const nowhere = join(scratch, 'no', 'out.ndjson');
    const failed = await exported(data, '--out', nowhere);
    expect([failed.code, failed.stderr]).toEqual([
      1,
      expect.stringMatching(/^millrace: .*out\.ndjson cannot be written \(ENOENT.*\)\n$/),
    ]);
  });

  it('warns of records that cannot be read, and writes the others', async () => {
    const data = join(scratch, 'data');
    await writeLog(data, { count: 3, feedbackEvery: 3 });
    await addUnreadable(data);
    const { code, stdout, stderr } = await exported(data);
    expect([code, idsOf(stdout)]).toEqual([0, ['r-0', 'r-1', 'r-2']]);
    expect(stderr).toMatch(/^warning: 1 record cannot be read: .+\n3 predictions, 1 with feedback\n$/);
  });

  it('ends when nobody reads any more', async () => {
    const data = join(scratch, 'data');
    await writeLog(data, { count: 5000, feedbackEvery: 4 });
    const { child, finished } = start(['predictions', 'export', '--project', demoDir, '--data', data]);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await finished).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('what cannot be exported', () => {
  it('is said in a sentence where there is no log', async () => {
    const data = join(scratch, 'data');
    expect(await exported(data)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `millrace: There is no store in ${data} yet: start a server, or load features, first.\n`,
    });
    const environment = await openLmdbEnvironment({ path: data });
    await environment.close();
    const out = join(scratch, 'out.ndjson');
    expect(await exported(data, '--out', out)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `millrace: There are no predictions in ${data} yet: a server makes their log if the project has events, or an endpoint a "log".\n`,
    });
    expect(await readdir(scratch)).toEqual(['data']);
  });

  it('is said with a guess for an endpoint that the project does not have', async () => {
    await mkdir(join(scratch, 'data'));
    expect(await exported(join(scratch, 'data'), '--endpoint', 'flight-dely')).toMatchObject({
      code: 1,
      stderr: 'millrace: there is no endpoint "flight-dely"; did you mean "flight-delay"?\n',
    });
  });

  it.each([
    [['--from', 'yesterday'], 'Write ISO 8601, such as 2001-03-09T14:05:00Z.'],
    [['--to', '2001-02-30T00:00:00Z'], 'Write ISO 8601, such as 2001-03-09T14:05:00Z.'],
    [['--from', '2001-03-09T14:05:00Z', '--to', '2001-03-09T14:05:00Z'], '--from must be before --to.'],
    [['--limit', '0'], 'Write a whole number from 1.'],
  ])('refuses %j', async (args, sentence) => {
    const { code, stderr } = await exported(scratch, ...args);
    expect(stderr).toContain(sentence);
    expect(code).toBe(2);
  });
});
