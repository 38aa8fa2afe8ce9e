/** What a shadow does wrong is counted, and nothing else comes of it: the primary answers as if it were alone. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeEntityKey } from '../../src/features/entity-key.ts';
import { MillraceError } from '../../src/errors.ts';
import type { FeatureView } from '../../src/project/project.ts';
import { SHADOW_ROWS_MAX } from '../../src/serving/shadow.ts';
import { createShadowTurns } from '../../src/serving/shadow-turns.ts';
import { shadowCase } from './shadow-case.ts';
import type { ShadowCase, ShadowCaseOptions } from './shadow-case.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(options: ShadowCaseOptions = {}, isHung = false): Promise<ShadowCase> {
  const made = await shadowCase(options);
  cleanups.push(async () => made.remove(isHung));
  return made;
}

async function write(to: ShadowCase, name: string, id: string, score: number, eventMs = 1): Promise<void> {
  const view = to.views.get(name) as FeatureView;
  await to.store.write([{ view, key: encodeEntityKey(view.entity, [id]), row: [eventMs, score] }]);
}

const codes = (errors: readonly unknown[]): unknown[] =>
  errors.map((error) => (error instanceof MillraceError ? error.code : error));
const rowsOf = (count: number): { a: number }[] => Array.from({ length: count }, (_, a) => ({ a }));

describe('a shadow', () => {
  it('compares all rows of a request, in their order, over several runs', async () => {
    const made = await start({
      inputs: { x: ['request.a * 2', '0'] },
      keys: { batching: { rows_max: 7 } },
    });
    expect(await made.ask(rowsOf(20))).toEqual(rowsOf(20).map(({ a }) => a));
    await made.ended(1);
    const [answer] = made.compared;
    expect(answer?.primary).toEqual(rowsOf(20).map(({ a }) => a));
    expect(answer?.shadow).toEqual(rowsOf(20).map(({ a }) => 2 * a));
  });

  it('compares rows of a large request that are evenly spread', async () => {
    const made = await start({ inputs: { x: ['request.a * 2', '0'] } });
    await made.ask(rowsOf(1000));
    await made.ended(1);
    const { primary = [], shadow } = made.compared[0] ?? {};
    expect(primary).toHaveLength(SHADOW_ROWS_MAX);
    expect(new Set(primary).size).toBe(SHADOW_ROWS_MAX);
    expect([primary[0], primary[64], primary[127]]).toEqual([0, 500, 992]);
    expect(shadow).toEqual(primary.map((value) => 2 * value));
  });

  it('sees the very rows that the primary read, also when they have changed since', async () => {
    const turns = createShadowTurns({ savedMsMax: Infinity });
    let go = (): void => undefined;
    const written = new Promise<void>((resolve) => (go = resolve));
    const made = await start({
      inputs: { x: ['u.facts.score ?? -1', 'o.facts.score ?? -1'] },
      outputs: { y: 'y' },
      turns: { ...turns, later: (work) => void written.then(() => turns.later(work)) },
    });
    await write(made, 'facts', 'x', 5);
    await made.ask([{ a: 1, id: 'x', other: 'x' }]);
    await write(made, 'facts', 'x', 6, 2);
    go();
    await made.ended(1);
    expect(made.compared[0]?.shadow).toEqual([5]);
  });

  it('reads by itself what the primary does not read, in one go', async () => {
    let reads = 0;
    const made = await start({
      inputs: { x: ['u.more.score ?? -1', 'o.facts.score ?? -2'] },
      outputs: { y: 'y' },
      sourceOf: (store) => ({
        ...store,
        get: (view, key) => store.get(view, key),
        read: async (keys) => {
          reads++;
          return store.read(keys);
        },
      }),
    });
    await write(made, 'more', 'x', 7);
    await write(made, 'facts', 'x', 8);
    await made.ask([
      { a: 1, id: 'x', other: 'x' },
      { a: 2, id: 'y' },
      { a: 3, id: 'x' },
    ]);
    await made.ended(1);
    expect(made.compared[0]?.shadow).toEqual([7, -1, 7]);
    expect(reads).toBe(1);
  });

  it('asks for the moment that the request named', async () => {
    const asked: unknown[] = [];
    const made = await start({
      inputs: { x: ['u.more.score ?? -1', '0'] },
      sourceOf: (store) => ({
        ...store,
        read: async (keys, asOfMs, isHistorical) => {
          asked.push([asOfMs, isHistorical]);
          return store.read(keys);
        },
      }),
    });
    await made.ask([{ a: 1, id: 'x' }], { as_of: 5000 });
    await made.ended(1);
    expect(asked).toEqual([[5000, true]]);
  });
});

describe('a shadow that fails', () => {
  it('on some rows harms no request but those', async () => {
    const made = await start({
      model: 'rejects_zeros',
      inputs: { index: ['request.a < 0.5 ? 0 : 101'] },
      outputs: { y: 'value' },
      keys: { warmup: false },
    });
    for (let n = 0; n < 40; n++) expect(await made.ask([{ a: n % 4 }])).toEqual([n % 4]);
    await made.ended(40);
    expect(made.compared).toHaveLength(30);
    expect(codes(made.failed)).toEqual(Array.from({ length: 10 }, () => 'MODEL_FAILED'));
  });

  it('because its thread has died is given another thread', async () => {
    const made = await start({
      model: 'identity_string',
      inputs: { x: ['request.s ?? ""', 'request.s ?? ""'] },
      heapMbMax: 24,
    });
    const text = 'λ'.repeat(60_000);
    expect(await made.ask(rowsOf(100).map((row) => ({ ...row, s: `${row.a}${text}` })))).toHaveLength(100);
    expect(await made.ask([{ a: 1, s: 'y' }])).toEqual([1]);
    await made.ended(2);
    expect(codes(made.failed)).toContain('WORKER_LOST');
    expect(made.restarts).toBeGreaterThan(0);
    const before = made.compared.length;
    await made.ask([{ a: 1, s: 'y' }]);
    await made.ended(3);
    expect(made.compared).toHaveLength(before + 1);
  });

  it('because the store does keeps nothing of its requests', async () => {
    const made = await start({
      inputs: { x: ['u.more.score ?? -1', '0'] },
      sourceOf: (store) => ({
        ...store,
        read: async () => {
          throw new MillraceError('STORE_FAILED', 'The store is away.');
        },
      }),
    });
    for (let n = 0; n < 300; n++) {
      await made.ask([{ a: n, id: 'x' }]);
      await made.ended(n + 1);
    }
    expect(new Set(codes(made.failed))).toEqual(new Set(['STORE_FAILED']));
    expect(made.shed).toBe(0);
  });

  it('because the store never answers gives up, and takes on others', async () => {
    let isAway = true;
    const made = await start({
      inputs: { x: ['u.more.score ?? -1', '0'] },
      timeoutMs: 50,
      sourceOf: (store) => ({
        ...store,
        read: async (keys) => (isAway ? new Promise(() => undefined) : store.read(keys)),
      }),
    });
    while (made.shed === 0) await made.ask([{ a: 1, id: 'x' }]);
    const taken = made.failed.length;
    isAway = false;
    await made.ended(taken + 1);
    expect(new Set(codes(made.failed))).toEqual(new Set(['DEADLINE_EXCEEDED']));
    while (made.compared.length === 0) {
      await made.ask([{ a: 1, id: 'x' }]);
      await turn();
    }
    expect(made.compared[0]?.shadow).toEqual([-1]);
  });

  it('because it hangs sheds what comes, and gives up what it has taken on', async () => {
    const made = await start(
      { model: 'endless', inputs: { x: ['request.a'] }, keys: { warmup: false }, timeoutMs: 300 },
      true,
    );
    for (let n = 0; n < 2000 && made.shed < 10; n++) expect(await made.ask(rowsOf(100))).toHaveLength(100);
    expect(made.shed).toBe(10);
    await made.ended(1);
    for (let n = 0; n < 100; n++) await made.ask(rowsOf(100));
    await made.ended(40);
    expect(new Set(codes(made.failed))).toEqual(new Set(['DEADLINE_EXCEEDED']));
    expect(made.compared).toEqual([]);
  });
});

describe('a shadow is shed first', () => {
  it('while callers wait for a model', async () => {
    let isBusy = true;
    const made = await start({ isBusy: () => isBusy });
    await made.ask([{ a: 1 }]);
    expect(made.shed).toBe(1);
    isBusy = false;
    await made.ask([{ a: 2 }]);
    await made.ended(1);
    expect(made.compared[0]?.primary).toEqual([2]);
  });

  it('while the event loop has no time to spare, and runs again when it has', async () => {
    const made = await start({ turns: createShadowTurns({ savedMsMax: 0.5 }) });
    while (made.shed === 0) await made.ask(rowsOf(100));
    const taken = made.compared.length;
    while (made.compared.length <= taken) {
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
      await made.ask([{ a: 1 }]);
    }
    expect(made.failed).toEqual([]);
  });

  it('when its thread is slow, and never has more than its queue', async () => {
    const made = await start({ model: 'heavy', inputs: { x: ['request.a'] } });
    for (let n = 0; n < 600; n++) expect(await made.ask([{ a: n }])).toEqual([n]);
    expect(made.shed).toBeGreaterThan(0);
    await made.ended(600 - made.shed);
    expect(made.failed).toEqual([]);
    await made.ask([{ a: 1 }]);
    await made.ended(601 - made.shed);
  });
});

it('a shadow that is closed drops what waits and tells nobody', async () => {
  const made = await start({ model: 'heavy', inputs: { x: ['request.a'] } });
  for (let n = 0; n < 20; n++) await made.ask([{ a: n }]);
  const ended = made.compared.length;
  await made.runner.close();
  expect(made.compared).toHaveLength(ended);
  expect(made.failed).toEqual([]);
  await made.ask([{ a: 1 }]);
  expect(made.shed).toBe(1);
});
