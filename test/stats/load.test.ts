import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const folder = join(import.meta.dirname, '../../src/stats');

/** The packages that a file loads, itself or by others. */
function packagesOf(file: string): readonly string[] {
  const imports = [...readFileSync(file, 'utf8').matchAll(/^import (?!type ).*?from '(.+?)';/gms)];
  return imports.flatMap(([, name = '']) =>
    name.startsWith('.') ? packagesOf(join(dirname(file), name)) : [name],
  );
}

it.each(['auc', 'quantile', 'rank-correlation', 'seeded-random', 'population-stability', 'moments'])(
  'loads no package with %s.ts, which stands on the path of a request',
  (name) => {
    expect(packagesOf(join(folder, `${name}.ts`))).toEqual([]);
  },
);

it('sees what others load', () => {
  expect(packagesOf(join(folder, 'guard-verdict.ts'))).toEqual([]);
  expect(packagesOf(join(folder, 'sample-size.ts'))).toContain('@stdlib/stats-base-dists-normal-cdf');
});
