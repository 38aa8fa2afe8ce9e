import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const folder = join(import.meta.dirname, '../../src/stats');

/** The packages that a file loads, itself or by others. */
function packagesOf(file: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const imports = [...readFileSync(file, 'utf8').matchAll(/^import (?!type ).*?from '(.+?)';/gms)];
  return imports.flatMap(([, name = '']) =>
    name.startsWith('.') ? packagesOf(join(dirname(file), name), seen) : [name],
  );
}

it.each(['auc', 'quantile', 'rank-correlation', 'seeded-random', 'population-stability', 'moments'])(
  'loads no package with %s.ts, which stands on the path of a request',
  (name) => {
    expect(packagesOf(join(folder, `${name}.ts`))).toEqual([]);
  },
);

it('loads no distributions with the server itself: only rollouts and reports want them', () => {
  const loaded = packagesOf(join(folder, '../server/server.ts'));
  expect(loaded).toContain('lmdb');
  expect(loaded.filter((name) => /^@(stdlib|datadog)\//.test(name))).toEqual([]);
});

it('sees what others load', () => {
  expect(packagesOf(join(folder, 'guard-verdict.ts'))).toEqual([]);
  expect(packagesOf(join(folder, 'sample-size.ts'))).toContain('@stdlib/stats-base-dists-normal-cdf');
});
