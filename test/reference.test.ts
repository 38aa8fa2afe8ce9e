/** docs/reference.md is what the sources say, and the sources are what a server does. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, goodFlight, predict, startDemoServer } from './e2e/demo-server.ts';
import type { DemoServer } from './e2e/demo-server.ts';
import { root } from './oxlint.ts';

const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8');
const reference = read('docs/reference.md');
const operations = read('docs/operations.md');

it('the reference is what the sources say', () => {
  const args = ['node_modules/tsx/dist/cli.mjs', 'scripts/write-reference.ts', '--check'];
  const { stderr, status } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

/** Name -> labels, as documented. */
const documented = new Map(
  [...reference.matchAll(/^\| `(millrace_\w+)` +\| (\w+) +\| ([^|]*)\|/gm)].map(
    ([, name = '', type = '', labels = '']): [string, { type: string; labels: string[] }] => [
      name,
      { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label).toSorted() },
    ],
  ),
);

describe('the metrics of a server', () => {
  let demo: DemoServer;
  beforeAll(async () => {
    demo = await startDemoServer();
  });
  afterAll(async () => demo.stop());

  it('are documented with their types and labels', async () => {
    await predict(demo.server, 'flight-delay', { rows: [goodFlight] });
    const { text } = await call(demo.server, '/metrics');
    const types = [...text.matchAll(/^# TYPE (millrace_\w+) (\w+)$/gm)];
    expect(types.length).toBeGreaterThan(15);
    for (const [, name = '', type] of types) expect(documented.get(name)?.type, name).toBe(type);
    for (const [, series = '', labels = ''] of text.matchAll(/^(millrace_\w+)(?:\{(.*)\})? /gm)) {
      const name = documented.has(series) ? series : series.replace(/_(bucket|sum|count)$/, '');
      const own = [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label);
      expect(own.filter((label) => label !== 'le').toSorted(), series).toEqual(documented.get(name)?.labels);
    }
  });
});

it('the documents name no metric that is not there', () => {
  const pages = ['operations', 'events', 'redis', 'rollouts', 'performance'];
  const named = pages.flatMap(
    (page) => read(`docs/${page}.md`).match(/\bmillrace_[a-z0-9_]*[a-z0-9]\b(?!_)/g) ?? [],
  );
  const base = (name: string): string =>
    documented.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
  const missing = new Set(
    named.filter((name) => !documented.has(base(name)) && !name.endsWith('_mean_seconds')),
  );
  expect([...missing]).toEqual([]);
});

it('operations leads to the reference', () => {
  expect(operations).toContain('](reference.md');
});
