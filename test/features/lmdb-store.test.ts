import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbStore, openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type { OnlineStore, Row } from '../../src/features/online-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { FeatureView } from '../../src/project/project.ts';
import { contractViews, describeOnlineStore, reopenable } from '../contract/online-store.ts';
import type { OpenedStore } from '../contract/online-store.ts';
import { entityOf, viewOf } from './sample-project.ts';

const run = promisify(execFile);
const writerArgs = ['--import', 'tsx', 'test/features/lmdb-writer.ts'];
const entity = entityOf('entity', { id: 'string' });

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'millrace-lmdb-'));
});
afterEach(() => {
  rmSync(path, { recursive: true });
});

describe.each([
  ['the LMDB store', 0],
  ['the LMDB store with rows in memory', 1_000_000],
])('%s', (name, memoryBytesMax) => {
  describeOnlineStore(name, async () => openContractStore(memoryBytesMax));
});

async function openContractStore(memoryBytesMax: number): Promise<OpenedStore> {
  const open = (): Promise<OnlineStore> => openLmdbStoreAlone({ path, views: contractViews, memoryBytesMax });
  return reopenable(open);
}

it('keeps the row of an entity without join keys apart from those of other views', async () => {
  const overall = entityOf('overall', {});
  const views = [viewOf('totals', overall, { n: 'int64' }), viewOf('tot', overall, { n: 'int64' })] as const;
  const store = await openLmdbStoreAlone({ path, views });
  await store.write(views.map((view, i) => ({ view, key: '', row: [1000, i] })));
  expect(views.map((view) => store.get(view, ''))).toEqual([
    [1000, 0],
    [1000, 1],
  ]);
  await store.close();
});

describe('a view whose features changed', () => {
  async function writeAs(view: FeatureView, row: Row, key = 'a'): Promise<void> {
    await withStore(view, (store) => store.write([{ view, key, row }]));
  }
  async function readAs(view: FeatureView, key = 'a'): Promise<Row | null | undefined> {
    return withStore(view, async (store) => store.get(view, key));
  }
  async function withStore<T>(view: FeatureView, use: (store: OnlineStore) => Promise<T>): Promise<T> {
    const store = await openLmdbStoreAlone({ path, views: [view] });
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  }
  const viewWith = (features: Readonly<Record<string, string>>): FeatureView =>
    viewOf('view', entity, features);

  it('reads older rows by name: added is null, removed is dropped, moved is found', async () => {
    await writeAs(viewWith({ gone: 'string', a: 'float64', b: 'int64' }), [1000, 'x', 1.5, 7]);
    expect(await readAs(viewWith({ b: 'int64', added: 'float64', a: 'float64' }))).toEqual([
      1000,
      7,
      null,
      1.5,
    ]);
  });

  it('keeps a value of another type where it fits, and reads null where it does not', async () => {
    const before = {
      a: 'int64',
      b: 'float64',
      c: 'float64',
      d: 'string',
      e: 'float32[2]',
      f: 'float32[2]',
      g: 'int64',
    };
    await writeAs(viewWith(before), [1000, 5, 2, 2.5, '12', [1, 2], [1, 2], null]);
    const after = {
      a: 'float64',
      b: 'int64',
      c: 'int64',
      d: 'float64',
      e: 'float64[2]',
      f: 'float32[3]',
      g: 'string',
    };
    expect(await readAs(viewWith(after))).toEqual([1000, 5, 2, null, null, [1, 2], null, null]);
  });

  it('reads the same values again when the change is taken back', async () => {
    const first = viewWith({ a: 'float64', b: 'string' });
    const second = viewWith({ b: 'string' });
    await writeAs(first, [1000, 1.5, 'x'], 'a');
    await writeAs(second, [1000, 'y'], 'b');
    expect(await readAs(first, 'a')).toEqual([1000, 1.5, 'x']);
    expect(await readAs(first, 'b')).toEqual([1000, null, 'y']);
  });

  it('compares event times across the change', async () => {
    await writeAs(viewWith({ a: 'float64' }), [1000, 1]);
    const changed = viewWith({ a: 'string', b: 'float64' });
    await writeAs(changed, [999, 'late', 2]);
    expect(await readAs(changed)).toEqual([1000, null, null]);
    await writeAs(changed, [1000, 'new', 2]);
    expect(await readAs(changed)).toEqual([1000, 'new', 2]);
  });

  it('is read by a store that was opened before the new features existed', async () => {
    const old = viewWith({ a: 'float64' });
    const opened = await openLmdbStoreAlone({ path, views: [old] });
    await writeAs(viewWith({ b: 'float64', a: 'float64' }), [1000, 2, 1]);
    expect(opened.get(old, 'a')).toEqual([1000, 1]);
    await opened.close();
  });
});

describe('two processes with one store', () => {
  it.each([
    ['without memory', 0],
    ['with rows in memory', 1_000_000],
  ])('both write, each with its own features, and the latest wins, %s', async (_memory, memoryBytesMax) => {
    const seen = viewOf('counters', entity, { count: 'int64' });
    const store = await openLmdbStoreAlone({ path, views: [seen], memoryBytesMax });
    const writers = Promise.all(
      [0, 1].map((first) => run('node', [...writerArgs, 'counters', path, String(first)])),
    );
    let isDone = false;
    void writers.finally(() => (isDone = true)).catch(() => undefined);
    let last = -1;
    while (!isDone) {
      const time = store.get(seen, 'k3')?.[0] ?? -1;
      expect(time).toBeGreaterThanOrEqual(last);
      last = time;
      await store.write([{ view: seen, key: 'here', row: [time, time] }]);
    }
    await writers;
    const keys = Array.from({ length: 10 }, (_, i) => ({ view: seen, key: `k${i}` }));
    expect(await store.read(keys)).toEqual(keys.map(() => [199, 199]));
    await store.close();
  });

  it('does not answer from memory what the other process has replaced', async () => {
    const counters = viewOf('counters', entity, { count: 'int64' });
    const store = await openLmdbStoreAlone({ path, views: [counters], memoryBytesMax: 1_000_000 });
    const row = { view: counters, key: 'k0', row: [0, 0] as const };
    await store.write([row, { ...row, key: 'other' }]);
    const kept = store.get(counters, 'other');
    expect(store.get(counters, 'k0')).toEqual([0, 0]);
    await run('node', [...writerArgs, 'counters', path, '1']);
    expect(store.get(counters, 'k0')).toEqual([199, 199]);
    expect(store.get(counters, 'other')).toBe(kept);
    await store.close();
  });

  it('sees what the other process has written, although something else in the environment was read before', async () => {
    const counters = viewOf('counters', entity, { count: 'int64' });
    const environment = await openLmdbEnvironment({ path });
    const beside = environment.textKeys('beside');
    const store = await openLmdbStore({ environment, views: [counters], memoryBytesMax: 1_000_000 });
    await store.write([{ view: counters, key: 'k0', row: [0, 0] }]);
    expect(store.get(counters, 'k0')).toEqual([0, 0]);
    await new Promise(setImmediate);
    expect(beside?.get('x')).toBeUndefined();
    // The event loop stands still meanwhile, so that nothing gives up the view of the data that was just taken.
    execFileSync('node', [...writerArgs, 'counters', path, '1']);
    expect(store.get(counters, 'k0')).toEqual([199, 199]);
    await environment.close();
  });
});

describe('opening for reading only', () => {
  const view = viewOf('view', entity, { a: 'float64' });

  it('reads what is there, also under features that were never written', async () => {
    const writer = await openLmdbStoreAlone({ path, views: [view] });
    await writer.write([{ view, key: 'k', row: [1000, 1.5] }]);
    await writer.close();
    const wider = viewOf('view', entity, { a: 'float64', b: 'string' });
    const reader = await openLmdbStoreAlone({ path, views: [wider], readOnly: true });
    expect(reader.get(wider, 'k')).toEqual([1000, 1.5, null]);
    await expect(reader.write([{ view: wider, key: 'k', row: [1001, 2, null] }])).rejects.toThrow(
      'reading only',
    );
    await reader.close();
  });

  it('says that there is no store', async () => {
    const opening = openLmdbStoreAlone({ path: join(path, 'none'), views: [view], readOnly: true });
    await expect(opening).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('no store'),
    });
  });
});

describe('the environment of the LMDB store', () => {
  const view = viewOf('view', entity, { a: 'float64' });
  const open = (at: string): Promise<OnlineStore> => openLmdbStoreAlone({ path: at, views: [view] });
  const failure = (text: string): object => ({
    code: 'STORE_FAILED',
    message: expect.stringContaining(text),
  });

  it('makes the data folder, also when its name has a dot', async () => {
    const store = await open(join(path, 'a', 'flights.store'));
    await store.write([{ view, key: 'k', row: [1, 2] }]);
    expect(store.get(view, 'k')).toEqual([1, 2]);
    await store.close();
    expect(existsSync(join(path, 'a', 'flights.store', 'data.mdb'))).toBe(true);
  });

  it('names the path when the data folder is a file or lies in one', async () => {
    const file = join(path, 'file');
    writeFileSync(file, 'x');
    await expect(open(file)).rejects.toMatchObject(failure(`${file} is a file`));
    await expect(open(join(file, 'data'))).rejects.toMatchObject(
      failure(`${join(file, 'data')} is a file or lies in one`),
    );
  });

  it.each([
    ['text', Buffer.from('hello')],
    ['other bytes', Buffer.alloc(20_000, 65)],
  ])('says so when data.mdb holds %s', async (_, bytes) => {
    writeFileSync(join(path, 'data.mdb'), bytes);
    await expect(open(path)).rejects.toMatchObject(failure('is damaged or not a Millrace store'));
  });

  it('says so when data.mdb was cut off behind its header', async () => {
    await (await open(path)).close();
    truncateSync(join(path, 'data.mdb'), 5000);
    await expect(open(path)).rejects.toMatchObject(failure('is damaged or not a Millrace store'));
  });

  it.each(['data.mdb', 'lock.mdb', '.'])('says so when it has no permission for %s', async (name) => {
    await (await open(path)).close();
    // Root may do anything, so then somebody else opens the store, and has permission for all but one thing.
    const isRoot = process.getuid?.() === 0;
    for (const other of ['data.mdb', 'lock.mdb', '.']) chmodSync(join(path, other), 0o777);
    if (name === '.') rmSync(join(path, 'data.mdb'));
    chmodSync(join(path, name), name === '.' ? 0o555 : 0o444);
    const { stdout } = await run(
      'node',
      [...writerArgs, 'open', path],
      isRoot ? { uid: 65_534, gid: 65_534 } : {},
    );
    expect(JSON.parse(stdout)).toEqual(failure(`No permission for the store in ${path}`));
    chmodSync(path, 0o700);
  });

  it('says what to do when another process closes it in the moment in which it is opened', async ({
    skip,
  }) => {
    skip(
      process.platform !== 'linux' || process.arch !== 'x64',
      'where the locks are is known of glibc on x64',
    );
    const store = await open(path);
    // As closing does, by a process of its own: this one would lose its hold on the file.
    const destroy = `for (const at of [40, 80, 120]) fs.writeSync(file, Buffer.alloc(4, 255), 0, 4, at);`;
    const lockFile = join(path, 'lock.mdb');
    await run('node', ['-e', `const file = fs.openSync('${lockFile}', 'r+'); ${destroy}`]);
    const { stdout } = await run('node', [...writerArgs, 'open', path]);
    expect(JSON.parse(stdout)).toEqual(failure('opened: start again.'));
    await store.close();
    expect((await run('node', [...writerArgs, 'open', path])).stdout).toBe('opened');
  });

  it('refuses a write when the disk is full, keeps what it has, and goes on once there is room', async () => {
    // 4 MB, in units of 512 bytes.
    const command = `ulimit -f 8192; exec node ${writerArgs.join(' ')} fill ${path}`;
    const { stdout } = await run('sh', ['-c', command]);
    expect(JSON.parse(stdout)).toEqual({
      failed: failure(`the store in ${path}`),
      isWhole: true,
      later: 'written',
    });
  });

  it('is not used after it was closed', async () => {
    const store = await open(path);
    await store.close();
    await store.close();
    expect(() => store.get(view, 'k')).toThrow('closed');
    await expect(store.write([{ view, key: 'k', row: [1, 2] }])).rejects.toThrow('closed');
  });

  it('refuses views that it was not opened with, and rows that do not fit their view', async () => {
    const store = await open(path);
    expect(() => store.get(viewOf('other', entity, {}), 'k')).toThrow('other was not given');
    await expect(store.write([{ view, key: 'k', row: [1] }])).rejects.toThrow('has 1 values, got 0');
    await store.close();
  });
});
