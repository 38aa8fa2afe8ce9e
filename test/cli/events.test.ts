/** `millrace events`: what was set aside, listed, retried and dropped beside a running server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';
import { openLmdbEventLogs } from '../../src/events/lmdb-event-logs.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createStreamRouting } from '../../src/streaming/stream-routing.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { call } from '../e2e/demo-server.ts';
import { purchase, writeShopProject } from '../server/shop-project.ts';
import type { Finished } from './process.ts';
import { sharedProcess } from './shared-process.ts';

/** What another process has appended is looked for once a second. */
const APPLIED = { timeout: 10_000 };

const run = sharedProcess();
let dir: string;
let server: Server | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cli-events-'));
  await writeShopProject(dir, { streaming: { allowed_lateness: '1m' } });
});
afterEach(async () => {
  await stop();
  await rm(dir, { recursive: true });
});

async function serve(): Promise<Server> {
  const options = { dataDir: join(dir, '.millrace'), port: 0, log: createLog('silent') };
  server = await createServer(await loadProject(dir), options);
  return server;
}

async function stop(): Promise<void> {
  await server?.close();
  server = undefined;
}

async function events(...args: readonly string[]): Promise<Finished> {
  return run(['events', ...args, '--project', dir]);
}

const eventOf = (id: string, timeMs: number): object => ({
  ...purchase(id, 7, 2),
  time: new Date(timeMs).toISOString(),
});

async function send(...sent: readonly object[]): Promise<void> {
  const body = JSON.stringify(sent);
  expect((await call(server as Server, '/v1/events', { body })).status).toBe(202);
}

async function purchases(): Promise<unknown> {
  const body = JSON.stringify({ features: ['activity:purchases_1h'], entities: { user_id: [7] } });
  const { json } = await call(server as Server, '/get-online-features', { body });
  return (json['results'] as { values: unknown[] }[])[1]?.values[0];
}

/** Entries whose event the project can read, if an id is given, and some bytes otherwise. */
async function addDeadLetters(...ids: readonly (string | undefined)[]): Promise<void> {
  const project = await loadProject(dir);
  const environment = await openLmdbEnvironment({ path: join(dir, '.millrace') });
  const { log, deadLetters } = await openLmdbEventLogs(environment, project, systemClock);
  const type = project.eventTypes.get('purchase') as AcceptedEvent['type'];
  const timeMs = Date.now();
  const { featureViews, streaming } = project;
  const routing = createStreamRouting(featureViews.values(), streaming.partitions);
  const entries = ids.map((id, i) => {
    const event = { id: id ?? '', type, timeMs, receivedMs: timeMs, values: [7, id ?? '', 2 ** 40] };
    const bytes = id === undefined ? Buffer.from('scrap') : log.codec.encode(event, false);
    const [partition = 0] = routing.partitionsOf(event);
    return { partition, offset: 100 + i, reason: 'it makes an aggregate fail', atMs: timeMs, bytes };
  });
  await environment.transaction(() => deadLetters.add(entries));
  await log.close();
  await environment.close();
}

const numbersOf = ({ stdout }: Finished): number[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { number: number }).number);

describe('millrace events', () => {
  it('retries corrections, which the running server applies if they are in time now', async () => {
    const nowMs = Date.now();
    await serve();
    await send(eventOf('a', nowMs));
    await send(eventOf('late', nowMs - 600_000), eventOf('too', nowMs - 601_000));
    const corrections = async (...args: string[]): Promise<Finished> => events('corrections', ...args);
    await expect.poll(async () => (await corrections('list')).stdout, APPLIED).toContain('2 corrections\n');
    // The server still finds them too late.
    expect(await corrections('retry', '1')).toEqual({
      code: 0,
      signal: null,
      stderr: '',
      stdout:
        '1 correction put into the event log again.\nA server applies them. What is still later than its streaming.allowed_lateness comes back with a new number.\n',
    });
    await expect.poll(async () => numbersOf(await corrections('list', '--json')), APPLIED).toEqual([2, 3]);
    expect(await purchases()).toBe(1);
    await stop();
    await writeShopProject(dir, { streaming: { allowed_lateness: '1h' } });
    await serve();
    expect((await corrections('retry', '--all', '--json')).stdout).toBe(
      '{"retried":2,"unreadable":[],"missing":[]}\n',
    );
    await expect.poll(purchases, APPLIED).toBe(3);
    const { code, stdout } = await corrections('list');
    expect([code, stdout]).toEqual([0, 'No corrections: no event came too late.\n']);
  });

  it('retries dead letters by number, once, and says which cannot be read and which are not there', async () => {
    await serve();
    await addDeadLetters('a', undefined, 'b');
    const retry = async (...args: string[]): Promise<Finished> => events('dead-letters', 'retry', ...args);
    const first = await retry('3', '2', '9', '3');
    expect([first.code, first.stdout.split('\n')]).toEqual([
      1,
      [
        '1 dead letter put into the event log again.',
        'A server applies them. What fails again comes back with a new number.',
        'Cannot be read, or of a type that the project does not have, and stay: 2',
        'Not there: 9',
        '',
      ],
    ]);
    await expect.poll(purchases, APPLIED).toBe(1);
    // What can never be read does not make a failure of the others.
    const all = await retry('--all', '--json');
    expect([all.code, all.stdout]).toEqual([0, '{"retried":1,"unreadable":[2],"missing":[]}\n']);
    await expect.poll(purchases, APPLIED).toBe(2);
    const nothing = await retry('--all');
    expect([nothing.code, nothing.stdout.split('\n')[0]]).toEqual([
      1,
      '0 dead letters put into the event log again.',
    ]);
    expect(await purchases()).toBe(2);
  });

  it('drops by number or all, and says what is not there', async () => {
    await serve();
    await addDeadLetters('a', 'b', undefined, 'c');
    const drop = async (...args: string[]): Promise<Finished> => events('dead-letters', 'drop', ...args);
    expect(await drop('1', '7', '1')).toMatchObject({
      code: 1,
      stdout: '1 dead letter dropped.\nNot there: 7\n',
    });
    expect(numbersOf(await events('dead-letters', 'list', '--json'))).toEqual([2, 3, 4]);
    expect(await drop('2', '--json')).toMatchObject({ code: 0, stdout: '{"dropped":1,"missing":[]}\n' });
    expect(await drop('--all')).toMatchObject({ code: 0, stdout: '2 dead letters dropped.\n' });
    expect(await drop('--all')).toMatchObject({ code: 0, stdout: '0 dead letters dropped.\n' });
    expect(await purchases()).toBe(null);
  });

  it('works on more than it holds in memory at once, also without a server', async () => {
    await serve();
    await addDeadLetters(...Array.from({ length: 450 }, (_, i) => `many-${i}`));
    await stop();
    expect(numbersOf(await events('dead-letters', 'list', '--json'))).toHaveLength(450);
    const limited = await events('dead-letters', 'list', '--json', '--from', '100', '--limit', '250');
    expect(numbersOf(limited)).toEqual(Array.from({ length: 250 }, (_, i) => 100 + i));
    expect(await events('dead-letters', 'retry', '--all')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('450 dead letters put'),
    });
    await serve();
    await expect.poll(purchases, APPLIED).toBe(450);
  });
});

describe('a list', () => {
  it('fits in 80 columns, with each reason above the entries that have it', async () => {
    await serve();
    await addDeadLetters('a', 'x'.repeat(200), undefined, 'esc \u001B[31m red \u202E');
    const { code, stdout } = await events('dead-letters', 'list');
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['number', 'partition', 'offset', 'time', 'type', 'id'],
      ['it makes an aggregate fail'],
      [
        '1',
        expect.stringMatching(/^\d$/),
        '100',
        expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        'purchase',
        'a',
      ],
      ['2', expect.anything(), '101', expect.anything(), 'purchase', expect.stringMatching(/^x+…$/)],
      ['3', expect.anything(), '102', '-', '-', '-'],
      ['4', expect.anything(), '103', expect.anything(), 'purchase', 'esc \u{fffd}[31m red \u{fffd}'],
      ['4 dead letters'],
    ]);
    const some = await events('dead-letters', 'list', '--from', '2', '--limit', '1');
    expect(some.stdout).toMatch(/^ +2 +\d +101 .*\n4 dead letters, more with --from 3\n$/m);
    expect((await events('dead-letters', 'list', '--from', '5')).stdout).toBe(
      '4 dead letters, none from 5 on.\n',
    );
  });

  it('has the whole event in JSON, as it can be sent again, and the bytes of what cannot be read', async () => {
    await serve();
    await addDeadLetters('a', undefined);
    const { stdout } = await events('dead-letters', 'list', '--json');
    const [line = '', scrap = ''] = stdout.split('\n');
    const place = {
      partition: expect.any(Number),
      reason: 'it makes an aggregate fail',
      set_aside_at: expect.any(String),
    };
    const { event, ...rest } = JSON.parse(line) as { event: object };
    expect(rest).toEqual({ number: 1, offset: 100, ...place });
    expect(JSON.parse(scrap)).toEqual({
      number: 2,
      offset: 101,
      ...place,
      event: null,
      bytes: Buffer.from('scrap').toString('base64'),
    });
    expect(event).toMatchObject({ type: 'purchase', id: 'a', fields: { user_id: 7, item: 'a' } });
    await send(event);
    await expect.poll(purchases, APPLIED).toBe(1);
  });

  it('says in a sentence that there is nothing, and changes nothing', async () => {
    const empty = await events('dead-letters', 'list');
    expect([empty.code, empty.stderr]).toEqual([
      1,
      `millrace: There is no store in ${join(dir, '.millrace')} yet: start a server, or load features, first.\n`,
    ]);
    await serve();
    expect(await events('dead-letters', 'list')).toMatchObject({
      code: 0,
      stdout: 'No dead letters: every event that was applied is in the features, or came too late.\n',
    });
    expect(await events('corrections', 'list', '--json')).toMatchObject({ code: 0, stdout: '' });
    expect(await events('corrections', 'retry', '1')).toMatchObject({
      code: 1,
      stdout: '0 corrections put into the event log again.\nNot there: 1\n',
    });
  });

  it('leaves a data folder without events as it is', async () => {
    const data = join(dir, 'features-only');
    const environment = await openLmdbEnvironment({ path: data });
    await environment.close();
    for (const work of [['list'], ['retry', '--all'], ['drop', '--all']]) {
      const { code, stderr } = await events('dead-letters', ...work, '--data', data);
      expect([code, stderr]).toEqual([
        1,
        `millrace: There are no events in ${data} yet: a server of a project with events makes their log.\n`,
      ]);
    }
    const { code, stderr } = await events('corrections', 'drop', '--all', '--data', join(dir, 'none'));
    expect([code, stderr]).toEqual([1, expect.stringContaining('There is no store in')]);
  });

  it.each([
    [['dead-letters', 'retry'], 'Give the numbers that `list` prints, or --all.'],
    [['corrections', 'drop', '1', '--all'], 'Give numbers or --all, not both.'],
    [['corrections', 'retry', '0'], 'Write a whole number from 1.'],
    [['dead-letters', 'list', '--limit', '0'], 'Write a whole number from 1.'],
    [['letters', 'list'], "unknown command 'letters'"],
  ])('refuses %j', async (args, sentence) => {
    const { code, stderr } = await events(...args);
    expect(stderr).toContain(sentence);
    expect(code).toBe(2);
  });
});
