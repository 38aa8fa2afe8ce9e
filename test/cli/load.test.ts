import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadCommand } from '../../src/cli/load.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type { Row } from '../../src/features/online-store.ts';
import { loadProject } from '../../src/project/read-project.ts';

const projectText = `project: flights
entities:
  airport: { keys: { iata: string } }
feature_views:
  airport_profile:
    entity: airport
    features: { latitude: float64, state: string }
`;
const csv =
  'iata,event_timestamp,latitude,state,name\nJFK,2001-03-09,40.6,NY,Kennedy\nLAX,2001-03-09,33.9,CA,\n';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cli-load-'));
  await writeFile(join(dir, 'millrace.yaml'), projectText);
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(dir, { recursive: true });
});

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: unknown;
}

/** Runs `millrace load` in the project folder; errors come as the error they are. */
async function run(...args: string[]): Promise<Outcome> {
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    });
  }
  try {
    await loadCommand()
      .exitOverride()
      .parseAsync(['--project', dir, ...args], { from: 'user' });
    return { ...printed, exitCode: process.exitCode };
  } finally {
    vi.restoreAllMocks();
  }
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(dir, name), text);
  return join(dir, name);
}

async function storedRow(key: string, dataDir = join(dir, '.millrace')): Promise<Row | null | undefined> {
  const { featureViews } = await loadProject(dir);
  const store = await openLmdbStoreAlone({ path: dataDir, views: featureViews.values(), readOnly: true });
  try {
    const view = [...featureViews.values()][0];
    return view === undefined ? undefined : store.get(view, key);
  } finally {
    await store.close();
  }
}

it('loads a file into the store of the project and sums up', async () => {
  const path = await file('airports.csv', csv);
  const { stdout, stderr, exitCode } = await run('--view', 'airport_profile', path);
  expect(stdout).toMatch(
    /airports\.csv -> airport_profile: 2 rows in \d+\.\d s, 2 written\ncolumns not in the view: name\n$/,
  );
  expect([stderr, exitCode]).toEqual(['', 0]);
  expect(await storedRow('JFK')).toEqual([Date.parse('2001-03-09'), 40.6, 'NY']);
});

it('takes the columns, the event time and the data folder from its options', async () => {
  const path = await file('a.txt', 'code,lat,region\nJFK,40.6,NY\n');
  const dataDir = join(dir, 'elsewhere');
  const named = ['--key', 'iata=code', '--column', 'latitude=lat', '--column', 'state=region'];
  const places = ['--format', 'csv', '--data', dataDir, '--event-time-value', '2001-03-10'];
  const { exitCode } = await run('--view', 'airport_profile', ...places, ...named, path);
  expect(exitCode).toBe(0);
  expect(await storedRow('JFK', dataDir)).toEqual([Date.parse('2001-03-10'), 40.6, 'NY']);
});

it('takes now for the event time of all rows', async () => {
  const path = await file('a.csv', csv);
  const beforeMs = Date.now();
  await run('--view', 'airport_profile', '--event-time-value', 'now', path);
  const eventTimeMs = (await storedRow('JFK'))?.[0];
  expect(eventTimeMs).toBeGreaterThanOrEqual(beforeMs);
  expect(eventTimeMs).toBeLessThanOrEqual(Date.now());
});

it('warns about rejected rows, fails because of them with --strict, and writes them where it is told', async () => {
  const path = await file('a.csv', `${csv}X,2001-03-09,north,AK,\n`);
  const rejects = join(dir, 'rejects.ndjson');
  const args = ['--view', 'airport_profile', '--rejects', rejects, path];
  const lenient = await run(...args);
  expect(lenient.exitCode).toBe(0);
  expect(lenient.stderr).toBe(
    `warning: 1 row rejected, see ${rejects}; the first, line 4: latitude must be a number, not "north"\n`,
  );
  expect(await readFile(rejects, 'utf8')).toContain('"line":4');
  expect((await run(...args, '--strict')).exitCode).toBe(1);
});

it('fails when no row at all is loaded', async () => {
  const rejected = await run(
    '--view',
    'airport_profile',
    await file('a.csv', csv.replaceAll('2001-03-09', '')),
  );
  expect(rejected).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('2 rows rejected') as string,
  });
  const empty = await run('--view', 'airport_profile', await file('b.csv', csv.split('\n')[0] as string));
  expect(empty).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('has no rows') as string });
});

it('does not fail when all rows are older than those in the store', async () => {
  await run('--view', 'airport_profile', await file('a.csv', csv));
  const again = await run('--view', 'airport_profile', await file('b.csv', csv.replaceAll('2001', '2000')));
  expect(again).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('2 older') as string });
});

it('prints a summary that scripts can read', async () => {
  const path = await file('a.csv', `${csv}X,2001-03-09,north,AK,\n`);
  const { stdout } = await run('--view', 'airport_profile', '--json', path);
  expect(JSON.parse(stdout)).toEqual({
    file: path,
    view: 'airport_profile',
    rows: 3,
    written: 2,
    older: 0,
    rejected: 1,
    rejects_file: `${path}.rejects.ndjson`,
    ignored_columns: ['name'],
    duration_ms: expect.any(Number) as number,
  });
});

it('suggests the view that was meant', async () => {
  await expect(run('--view', 'airport_profil', await file('a.csv', csv))).rejects.toMatchObject({
    code: 'UNKNOWN_FEATURE',
    message: 'there is no feature view "airport_profil"; did you mean "airport_profile"?',
  });
});

it.each([
  [['a.csv'], '--view'],
  [['--view', 'airport_profile'], 'file'],
  [['--view', 'airport_profile', '--key', 'iata', 'a.csv'], 'Write NAME=COLUMN.'],
  [['--view', 'airport_profile', '--key', 'iata=a', '--key', 'iata=b', 'a.csv'], 'given twice'],
  [['--view', 'airport_profile', '--event-time-value', 'noon', 'a.csv'], 'Write now, or ISO 8601'],
  [
    ['--view', 'airport_profile', '--event-time-value', 'now', '--event-time', 't', 'a.csv'],
    'cannot be used with',
  ],
  [['--view', 'airport_profile', '--format', 'xml', 'a.csv'], 'csv, ndjson, parquet'],
  [
    ['--view', 'airport_profile', '--key', 'state=a', 'a.csv'],
    'has no join key "state"; its join keys are iata',
  ],
  [
    ['--view', 'airport_profile', '--column', 'stat=a', 'a.csv'],
    'has no feature "stat"; did you mean "state"?',
  ],
])('refuses wrong usage: %j', async (args, message) => {
  const error = await run(...args).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CommanderError);
  expect((error as CommanderError).message).toContain(message);
  expect((error as CommanderError).exitCode).not.toBe(0);
});
