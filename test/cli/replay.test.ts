import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Command } from 'commander';
import { replayCommand } from '../../src/cli/replay.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type { FeatureView } from '../../src/project/project.ts';
import { loadProject } from '../../src/project/read-project.ts';

const projectText = `project: flights
entities:
  airport: { keys: { iata: string } }
  everywhere: { keys: {} }
events:
  departure:
    time: scheduled
    fields:
      scheduled: timestamp
      origin: string
      destination: { type: string, optional: true }
      delay: { type: float64, optional: true }
      note: { type: string, optional: true }
feature_views:
  size: { entity: airport, features: { gates: int64 } }
  recent:
    entity: airport
    stream: { event: departure, keys: { iata: origin } }
    features:
      flights: { count: true, window: 1h }
      delay_mean: { mean: delay, window: 1h }
  overall:
    entity: everywhere
    stream: { event: departure }
    features:
      late: { count: true, window: 24h, where: 'delay > 15' }
endpoints:
  delay:
    request: { origin: string, scheduled: timestamp, carrier: { type: string, optional: true } }
    variants: { only: { model: delay@1 } }
`;
const modelText = `entities:
  origin: { entity: airport, keys: { iata: request.origin } }
  all: { entity: everywhere, keys: {} }
inputs:
  features:
    - onehot(day_of_week(request.scheduled), [4, 5])
    - origin.size.gates
    - origin.recent.flights ?? 0
    - origin.recent.delay_mean
    - all.overall.late ?? 0
`;
const eventsText = `scheduled,origin,destination,delay,note
2001-03-09T06:00:00Z,JFK,LAX,20,a
2001-03-09T06:10:00Z,JFK,LAX,11,"b,""c"""
2001-03-09T06:10:00Z,JFK,,,
2001-03-09T06:20:00Z,LAX,JFK,100,d
2001-03-09T07:10:00Z,JFK,LAX,1,e
`;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cli-replay-'));
  await mkdir(join(dir, 'delay', '1'), { recursive: true });
  await writeFile(join(dir, 'millrace.yaml'), projectText);
  await writeFile(join(dir, 'delay', 'model.yaml'), modelText);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true });
});

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in the project folder; errors come as the error they are. */
async function run(command: Command, args: readonly string[]): Promise<Outcome> {
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    });
  }
  try {
    await command.exitOverride().parseAsync(['--project', dir, ...args], { from: 'user' });
    return printed;
  } finally {
    vi.restoreAllMocks();
  }
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(dir, name), content);
  return join(dir, name);
}

const sizes = `iata,event_timestamp,gates
JFK,2001-03-01,128
JFK,2001-03-09T07:00:00Z,130
`;

/** Replays events, the sizes of airports from a file; gives what was printed, and the table. */
async function replay(
  events: string,
  ...args: readonly string[]
): Promise<Outcome & { readonly table: string }> {
  const path = await file('events.csv', events);
  const out = join(dir, 'table.csv');
  const given = ['--endpoint', 'delay', '--events', path, '--label', 'delay > 15', '--out', out];
  const outcome = await run(replayCommand(), [
    ...given,
    '--rows',
    `size=${await file('sizes.csv', sizes)}`,
    ...args,
  ]);
  return { ...outcome, table: await readFile(out, 'utf8') };
}

async function storeSize(key: string, gates: number): Promise<void> {
  const { featureViews } = await loadProject(dir, { needsModelFiles: false });
  const store = await openLmdbStoreAlone({ path: join(dir, '.millrace'), views: featureViews.values() });
  const view = featureViews.get('size') as FeatureView;
  await store.write([{ view, key, row: [Date.parse('2001-03-01'), gates] }]);
  await store.close();
}

const refused = async (events: string, ...args: readonly string[]): Promise<unknown> =>
  replay(events, ...args).catch((error: unknown) => error);

const head =
  'as_of,"onehot(day_of_week(request.scheduled), [4, 5])[0]","onehot(day_of_week(request.scheduled), [4, 5])[1]",origin.size.gates,origin.recent.flights ?? 0,origin.recent.delay_mean,all.overall.late ?? 0,label\n';

describe('millrace replay', () => {
  it('gives each event the features as they were just before it, and its label', async () => {
    const { table, stdout, stderr } = await replay(eventsText);
    expect(table).toBe(
      `${head}2001-03-09T06:00:00.000Z,0,1,128,0,,0,1
2001-03-09T06:10:00.000Z,0,1,128,1,20,1,0
2001-03-09T06:10:00.000Z,0,1,128,2,15.5,1,0
2001-03-09T06:20:00.000Z,0,1,,0,,1,1
2001-03-09T07:10:00.000Z,0,1,130,2,11,2,0
`,
    );
    expect(stdout).toMatch(
      /events\.csv -> .*table\.csv: 5 events in \d+\.\d s, 5 rows, mean of the label 0\.4000\n$/,
    );
    expect(stderr).toBe('');
    expect(await readdir(dir)).not.toContain('table.csv.partial');
  });

  it('warms the features with events that get no row: too early, or not what is asked for', async () => {
    const times = ['--from', '2001-03-09T06:10:00Z', '--to', '2001-03-09T07:10:00Z'];
    const { table, stdout } = await replay(eventsText, ...times, '--where', 'destination == "LAX"');
    expect(table).toBe(`${head}2001-03-09T06:10:00.000Z,0,1,128,1,20,1,0\n`);
    expect(stdout).toContain('4 events in');
  });

  it('keeps fields of the event as columns, and leaves a label that is missing empty', async () => {
    const keep = ['--keep', 'note', '--keep', 'scheduled'];
    const until = ['--to', '2001-03-09T06:20:00Z'];
    const { table, stderr } = await replay(eventsText, '--label', 'delay', ...keep, ...until);
    const [, ...rows] = table.trimEnd().split('\n');
    expect(rows.map((row) => [row.split(',0,1,')[0], row.split(',').at(-1)])).toEqual([
      ['2001-03-09T06:00:00.000Z,a,2001-03-09T06:00:00.000Z', '20'],
      ['2001-03-09T06:10:00.000Z,"b,""c""",2001-03-09T06:10:00.000Z', '11'],
      ['2001-03-09T06:10:00.000Z,,2001-03-09T06:10:00.000Z', ''],
    ]);
    expect(stderr).toBe('warning: 1 row without a label\n');
  });

  it('takes request fields from the event fields that it is told, and names slots where a text names two', async () => {
    await writeFile(
      join(dir, 'delay', 'model.yaml'),
      modelText.replace('origin.size.gates', 'origin.recent.flights ?? 0'),
    );
    const path = await file('events.csv', eventsText);
    const out = join(dir, 'table.ndjson');
    const given = ['--endpoint', 'delay', '--events', path, '--label', 'delay > 15', '--out', out];
    const renamed = ['--request', 'origin=destination', '--where', 'destination == "JFK"'];
    await run(replayCommand(), [...given, ...renamed]);
    expect(JSON.parse(await readFile(out, 'utf8'))).toEqual({
      as_of: '2001-03-09T06:20:00.000Z',
      'features[0]': 0,
      'features[1]': 1,
      'features[2]': 3,
      'features[3]': 3,
      'features[4]': 15.5,
      'features[5]': 1,
      label: 1,
    });
  });

  it('reads compressed NDJSON in which an optional field comes late, and loaded views from the store', async () => {
    const lines = [
      { scheduled: '2001-03-09T06:00:00Z', origin: 'JFK' },
      { scheduled: '2001-03-09T06:10:00Z', origin: 'JFK', delay: 30 },
    ];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const path = await file('events.ndjson.gz', gzipSync(text));
    const out = join(dir, 'table.csv');
    const args = ['--endpoint', 'delay', '--events', path, '--label', 'delay > 15', '--out', out];
    const { stderr } = await run(replayCommand(), args);
    expect(stderr).toContain('no row of size was found; load it, or name its file: --rows size=FILE');
    await storeSize('JFK', 128);
    await run(replayCommand(), args);
    expect(await readFile(out, 'utf8')).toBe(
      `${head}2001-03-09T06:00:00.000Z,0,1,128,0,,0,0\n2001-03-09T06:10:00.000Z,0,1,128,1,,0,1\n`,
    );
  });
});

describe('millrace replay refuses', () => {
  it.each([
    [['--endpoint', 'dela'], 'there is no endpoint "dela"; did you mean "delay"?'],
    [['--label', 'note'], '--label: note is string that may be missing; a label is a bool or a number'],
    [['--label', 'dela > 15'], 'did you mean "delay"?'],
    [['--where', 'delay'], '--where: '],
    [['--model', 'delay@2'], '--model: there is no "delay@2"; did you mean "delay@1"?'],
    [['--event', 'departur'], '--event: there is no event "departur"; did you mean "departure"?'],
    [['--request', 'orign=origin'], 'has no request field "orign"; did you mean "origin"?'],
    [
      ['--request', 'origin=delay'],
      'the request field "origin" of "delay" is string, and the event field "delay" is float64',
    ],
    [['--keep', 'label'], 'the table has a column of this name already'],
    [['--keep', 'delai'], 'have no field "delai"; did you mean "delay"?'],
    [['--rows', 'recent=x.csv'], '--rows recent: the model reads no loaded view "recent"'],
    [['--out', 'table.parquet'], 'the name must end in .csv, .ndjson, .jsonl'],
  ])('what an option names and the project has not: %j', async (args, message) => {
    expect(await refused(eventsText, ...args)).toMatchObject({
      message: expect.stringContaining(message) as string,
    });
  });

  it.each([
    [
      'events that are not in the order of time',
      eventsText.replace('06:20', '06:05'),
      'events.csv, line 5: the event of 2001-03-09T06:05:00.000Z comes after one of 2001-03-09T06:10:00.000Z; sort the file by time',
    ],
    [
      'an event that its type does not take',
      eventsText.replace('100', 'much'),
      'events.csv, line 5: delay must be a number, not "much"',
    ],
    [
      'an event without a field that it needs',
      eventsText.replace('LAX,JFK', ',JFK'),
      'events.csv, line 5: origin is missing, and it is not an optional field of "departure" events',
    ],
    [
      'a file without a column that events need',
      eventsText.replace('origin', 'from'),
      'has no column "origin", a field of "departure" events',
    ],
    ['an empty file', '', 'is empty'],
  ])('%s, and leaves no table', async (_title, events, message) => {
    expect(await refused(events)).toMatchObject({ message: expect.stringContaining(message) as string });
    expect(await readdir(dir)).not.toContain('table.csv');
    expect(await readdir(dir)).not.toContain('table.csv.partial');
  });

  it('an event that lacks a field of its request, unless it gets no row', async () => {
    const renamed = ['--request', 'origin=destination'];
    expect(await refused(eventsText, ...renamed)).toMatchObject({
      message: expect.stringMatching(
        /line 4: the event makes no request of the endpoint "delay": destination is missing;.*--where/,
      ) as string,
    });
    const { table } = await replay(eventsText, ...renamed, '--where', 'delay > 0');
    expect(table.trimEnd().split('\n')).toHaveLength(5);
  });

  it('a table that would replace the events, and a mistake in the project', async () => {
    expect(await refused(eventsText, '--out', join(dir, 'events.csv'))).toMatchObject({
      message: '--out is the file of the events',
    });
    await writeFile(join(dir, 'delay', 'model.yaml'), modelText.replace('recent.flights', 'recent.flight'));
    expect(await refused(eventsText)).toMatchObject({
      code: 'INVALID_PROJECT',
      message: expect.stringContaining('did you mean') as string,
    });
  });

  it.each([
    [['--from', 'noon'], 'Write ISO 8601'],
    [['--rows', 'size'], 'Write NAME=VALUE.'],
    [['--rows', 'size=a'], 'given twice'],
  ])('wrong usage: %j', async (args, message) => {
    const error = await refused(eventsText, ...args);
    expect(error).toBeInstanceOf(CommanderError);
    expect((error as CommanderError).message).toContain(message);
  });
});
