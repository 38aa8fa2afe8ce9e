/**
 * A lint rule that silently does nothing is worse than none. So every rule that holds the house together is tried on
 * code that breaks it, and on code that does not, in a scratch folder with the layout and configuration of this one.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lint, root } from './oxlint.ts';
import type { Finding } from './oxlint.ts';

const ground = ['errors.ts', 'clock.ts', 'stats', 'telemetry'];
const domains = ['features', 'transforms', 'inference', 'rollouts', 'events'];
const forDomains = [...ground, 'lmdb', 'redis', 'project', 'records'];
const forJoins = [...forDomains, ...domains];
const forServer = [...forJoins, 'access', 'streaming', 'serving'];

/** What each part of src may import from the others. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  'clock.ts': [],
  stats: [],
  client: [],
  telemetry: ['errors.ts', 'clock.ts', 'stats'],
  lmdb: ['errors.ts', 'clock.ts'],
  redis: ground,
  project: ground,
  access: [...ground, 'project'],
  records: [...ground, 'lmdb', 'redis', 'project'],
  ...Object.fromEntries(domains.map((domain) => [domain, forDomains])),
  serving: [...forJoins, 'streaming'],
  streaming: [...forDomains, 'features', 'transforms', 'events'],
  experiments: [...forDomains, 'rollouts', 'events'],
  server: forServer,
  loadtest: ground,
  cli: [...forServer, 'experiments', 'server', 'loadtest'],
};

/** The only places that may import each package. */
const driverHomes: Readonly<Record<string, readonly string[]>> = {
  '@datadog/sketches-js': ['stats/a.ts'],
  '@grpc/grpc-js': ['server/grpc/a.ts'],
  '@grpc/proto-loader': ['server/grpc/a.ts'],
  '@opentelemetry/api': ['telemetry/a.ts'],
  '@stdlib/math-base-special-betaln': ['stats/a.ts'],
  '@stdlib/math-base-special-gammainc': ['stats/a.ts'],
  '@stdlib/stats-base-dists-beta-cdf': ['stats/a.ts'],
  '@stdlib/stats-base-dists-beta-quantile': ['stats/a.ts'],
  '@stdlib/stats-base-dists-normal-cdf': ['stats/a.ts'],
  '@stdlib/stats-base-dists-normal-quantile': ['stats/a.ts'],
  '@stdlib/stats-base-dists-t-cdf': ['stats/a.ts'],
  '@stdlib/stats-base-dists-t-quantile': ['stats/a.ts'],
  '@stdlib/stats-padjust': ['stats/a.ts'],
  autocannon: ['loadtest/a.ts'],
  'cli-progress': ['cli/a.ts'],
  'cluster-key-slot': ['redis/a.ts'],
  commander: ['cli/a.ts', 'cli.ts'],
  'fastest-levenshtein': ['project/a.ts'],
  'hdr-histogram-js': ['loadtest/a.ts'],
  hyparquet: ['features/load/a.ts'],
  'hyparquet-compressors': ['features/load/a.ts'],
  ioredis: ['redis/a.ts'],
  isbot: ['rollouts/a.ts'],
  jose: ['access/a.ts'],
  jsep: ['transforms/a.ts'],
  lmdb: ['lmdb/a.ts'],
  'lossless-json': ['project/a.ts'],
  'lru-cache': [
    'access/a.ts',
    'features/cached-store.ts',
    'features/row-memory.ts',
    'rollouts/a.ts',
    'streaming/windowed-rows.ts',
  ],
  msgpackr: ['client/a.ts', 'loadtest/a.ts', 'records/a.ts', 'streaming/tile-codec.ts'],
  'onnxruntime-node': ['inference/session.ts'],
  pino: ['telemetry/a.ts'],
  'prom-client': ['telemetry/a.ts'],
  'uWebSockets.js': ['server/a.ts'],
  ws: ['loadtest/a.ts'],
  yaml: ['project/a.ts'],
  zod: ['project/a.ts'],
};

const places = [
  ...Object.keys(mayImport).map((part) => (part.endsWith('.ts') ? part : `${part}/a.ts`)),
  'features/load/a.ts',
  'features/cached-store.ts',
  'features/redis/a.ts',
  'features/row-memory.ts',
  'inference/session.ts',
  'streaming/tile-codec.ts',
  'streaming/windowed-rows.ts',
  'cli.ts',
  'index.ts',
];

/** Code that breaks one rule each. A path ends in `!` where the same code is allowed. */
const breaches: readonly (readonly [rule: string, path: string, code: string])[] = [
  ['no-restricted-imports', 'src/fraud/a.ts', `import { now } from '../clock.ts';\nexport const a = now;`],
  ['no-restricted-imports', 'src/server/b.ts', `export { now } from '../cli/a.ts';`],
  ['no-restricted-imports', 'src/server/c.ts', `export * from '../cli/a.ts';`],
  [
    'no-restricted-imports',
    'src/server/d.ts',
    `export const load = async () => await import('../cli/a.ts');`,
  ],
  ['no-restricted-imports', 'src/server/e.ts', `import type { A } from '../cli/a.ts';\nexport type B = A;`],
  ['typescript/consistent-type-imports', 'src/server/f.ts', `export type A = import('../cli/a.ts').A;`],
  ['no-restricted-imports', 'src/serving/b.ts', `export { env } from 'node:process';`],
  ['no-restricted-imports', 'src/stats/b.ts', `export { readFile } from 'node:fs/promises';`],
  ['no-restricted-imports', 'src/client/b.ts', `export { readFile } from 'node:fs/promises';`],
  ['no-restricted-globals', 'src/client/c.ts', `export const a = Buffer.alloc(1);`],
  ['no-restricted-globals', 'src/server/w.ts!', `export const a = Buffer.alloc(1);`],
  ['no-restricted-imports', 'src/server/g.ts!', `export { readFile } from 'node:fs/promises';`],
  ['no-restricted-imports', 'src/features/load/c.ts', `export { a } from '../../serving/a.ts';`],
  ['no-restricted-imports', 'src/features/load/d.ts', `export { a } from '../index.ts';`],
  ['no-restricted-imports', 'src/cli/d.ts', `export { a } from '../cli.ts';`],
  ['no-restricted-imports', 'src/cli/e.ts!', `export { a } from '../features/load/a.ts';`],
  ['no-restricted-imports', 'src/cli/demo/a.ts!', `export { a } from '../../features/load/a.ts';`],
  ['typescript/no-implied-eval', 'src/serving/v.ts', `export const a: unknown = new Function('return 1');`],
  ['typescript/no-implied-eval', 'src/transforms/compile.ts!', `export const a = new Function('return 1');`],
  ['no-restricted-imports', 'src/features/load/b.ts!', `export { a } from '../row.ts';`],
  ['no-restricted-properties', 'src/serving/c.ts', `export const a = process.env['HOME'];`],
  ['no-restricted-properties', 'src/serving/d.ts', `export const a = process.argv.length;`],
  ['no-restricted-properties', 'src/serving/e.ts', `export const { env } = process;`],
  ['no-restricted-properties', 'src/serving/f.ts', `export const a = globalThis.process.pid;`],
  ['no-restricted-properties', 'src/cli/b.ts!', `export const a = process.env['HOME'] ?? process.argv[0];`],
  ['no-console', 'src/serving/g.ts', `console.log(1);\nexport {};`],
  ['no-console', 'src/cli/c.ts!', `console.log(1);\nexport {};`],
  ['import/no-cycle', 'src/serving/h.ts', `export { b as a } from './i.ts';\nexport const b = 1;`],
  ['import/no-cycle', 'src/serving/i.ts', `export { b as a } from './h.ts';\nexport const b = 1;`],
  ['import/no-default-export', 'src/serving/j.ts', `export default 1;`],
  ['import/no-commonjs', 'src/serving/k.ts', `export const a: unknown = require('node:fs');`],
  ['unicorn/prefer-node-protocol', 'test/b.ts', `export { readFileSync } from 'fs';`],
  ['typescript/no-explicit-any', 'src/serving/l.ts', `export function f(a: any): void {\n  void a;\n}`],
  ['typescript/no-unsafe-assignment', 'src/serving/m.ts', `export const a = { b: JSON.parse('1') };`],
  ['typescript/no-unsafe-return', 'src/serving/n.ts', `export const a = () => JSON.parse('1');`],
  ['typescript/no-unsafe-call', 'src/serving/o.ts', `JSON.parse('1')();\nexport {};`],
  ['typescript/no-unsafe-member-access', 'src/serving/p.ts', `export const a = typeof JSON.parse('1').b;`],
  ['typescript/no-unsafe-argument', 'src/serving/q.ts', `export const a = parseInt(JSON.parse('1'));`],
  [
    'typescript/consistent-type-imports',
    'src/serving/r.ts',
    `import { Stats } from 'node:fs';\nexport type A = Stats;`,
  ],
  [
    'typescript/no-import-type-side-effects',
    'src/serving/s.ts',
    `import { type Stats } from 'node:fs';\nexport type A = Stats;`,
  ],
  ['typescript/no-floating-promises', 'test/c.ts', `async function f() {}\nf();\nexport {};`],
  ['typescript/no-misused-promises', 'test/d.ts', `async function f() {}\nsetTimeout(f, 1);\nexport {};`],
  ['typescript/await-thenable', 'test/e.ts', `await 1;\nexport {};`],
  ['typescript/only-throw-error', 'test/f.ts', `export function f(): never {\n  throw 'no';\n}`],
  [
    'typescript/ban-ts-comment',
    'test/g.ts',
    `${['// @ts', 'ignore'].join('-')}\nexport const a: string = 1;`,
  ],
  ['typescript/no-namespace', 'test/h.ts', `namespace A {\n  export const b = 1;\n}\nexport const c = A.b;`],
  ['no-param-reassign', 'test/i.ts', `export function f(a: number): number {\n  a += 1;\n  return a;\n}`],
  ['no-var', 'test/j.ts', `var a = 1;\nexport { a };`],
  ['eqeqeq', 'test/k.ts', `export const f = (a: unknown): boolean => a == 1;`],
  ['no-unused-vars', 'test/l.ts', `const a = 1;\nexport {};`],
  ['max-lines', 'test/m.ts', `export const a = [\n${'  1,\n'.repeat(399)}];`],
  ['max-lines', 'test/n.ts!', `export const a = [\n${'  1,\n'.repeat(398)}];`],
  ['max-lines-per-function', 'bench/a.ts', `export function f(): void {\n${'  f();\n'.repeat(69)}}`],
  ['max-lines-per-function', 'src/serving/t.ts', `export function f(): void {\n${'  f();\n'.repeat(69)}}`],
  ['max-lines-per-function', 'src/serving/u.ts!', `export function f(): void {\n${'  f();\n'.repeat(68)}}`],
  ['vitest/no-focused-tests', 'test/a.test.ts', tests('it.only')],
  ['vitest/no-disabled-tests', 'test/b.test.ts', tests('it.skip')],
  ['vitest/expect-expect', 'test/c.test.ts', `import { it } from 'vitest';\nit('is', () => {});`],
];

function tests(call: string): string {
  return `import { expect, it } from 'vitest';\n${call}('is', () => {\n  expect(1).toBe(1);\n});`;
}

let scratch: string;
let findings: readonly Finding[];

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'millrace-lint-'));
  for (const file of ['.oxlintrc.json', 'tsconfig.json', 'package.json']) {
    copyFileSync(join(root, file), join(scratch, file));
  }
  symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));
  for (const [part] of Object.entries(mayImport))
    if (!part.endsWith('.ts')) write(`src/${part}/target.ts`, '');
  for (const [from, to] of folderPairs()) write(edgeFile(from, to), edgeCode(to));
  for (const place of places) write(`src/${place}`, driverCode());
  for (const [, path, code] of breaches) write(path.replace('!', ''), code);
  findings = lint(scratch, ['src', 'test', 'bench']);
});

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

function write(path: string, code: string): void {
  mkdirSync(dirname(join(scratch, path)), { recursive: true });
  writeFileSync(join(scratch, path), `${code}\n`);
}

describe('the folder rules', () => {
  it('let each folder of src import exactly the folders below it', () => {
    const refused = new Set(refusedImports().map(({ file }) => file));
    const wrong = folderPairs()
      .filter(([from, to]) => refused.has(edgeFile(from, to)) === (mayImport[from] ?? []).includes(to))
      .map(([from, to]) => `${from} -> ${to}`);
    expect(wrong).toEqual([]);
  });

  it('keep errors.ts and clock.ts free of imports', () => {
    for (const file of ['src/errors.ts', 'src/clock.ts']) {
      expect(refusedImports().filter((finding) => finding.file === file)).toHaveLength(drivers().length);
    }
  });

  it('let each package into its one home', () => {
    const wrong = places.flatMap((place) => {
      const refused = refusedImports()
        .filter(({ file }) => file === `src/${place}`)
        .map(({ message }) => /'(.+?)'/.exec(message)?.[1]);
      return drivers()
        .filter((driver) => refused.includes(driver) === (driverHomes[driver] ?? []).includes(place))
        .map((driver) => `${place} -> ${driver}`);
    });
    expect(wrong).toEqual([]);
  });

  it('know every package that Millrace depends on', () => {
    expect(Object.keys(driverHomes)).toEqual(drivers());
  });
});

describe('the linter', () => {
  it.each(breaches)('applies %s to %s', (rule, path) => {
    const file = path.replace('!', '');
    const found = findings.filter((finding) => finding.file === file).map((finding) => finding.rule);
    expect(found.includes(rule)).toBe(!path.endsWith('!'));
  });
});

function refusedImports(): readonly Finding[] {
  return findings.filter(({ rule }) => rule === 'no-restricted-imports');
}

function drivers(): string[] {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return Object.keys(dependencies).toSorted();
}

function folderPairs(): [from: string, to: string][] {
  const parts = Object.keys(mayImport);
  const folders = parts.filter((part) => !part.endsWith('.ts'));
  return folders.flatMap((from) =>
    parts.filter((to) => to !== from).map((to): [string, string] => [from, to]),
  );
}

function edgeFile(from: string, to: string): string {
  return `src/${from}/to-${to}${to.endsWith('.ts') ? '' : '.ts'}`;
}

function edgeCode(to: string): string {
  return `export { a } from '../${to.endsWith('.ts') ? to : `${to}/a.ts`}';`;
}

function driverCode(): string {
  return drivers()
    .map((driver, index) => `export * as a${index} from '${driver}';`)
    .join('\n');
}
