/** `millrace types`, and the client under what it writes: programs that the compiler takes, and programs that it refuses. */
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoDir } from '../e2e/demo-server.ts';
import { sharedProcess } from './shared-process.ts';

const root = new URL('../..', import.meta.url).pathname;
const run = sharedProcess();
let scratch: string;

const request = {
  user: 'int64',
  gold: 'bool',
  when: 'timestamp',
  taste: 'float32[3]',
  seen: 'int64[2]',
  page: { type: 'string', optional: true },
};
const project = {
  project: 'shop',
  entities: { user: { keys: { user_id: 'int64' } } },
  events: {
    purchase: { fields: { user_id: 'int64', price: 'float64', note: { type: 'string', optional: true } } },
    'page.view': { time: 'at', fields: { user_id: 'int64', at: 'timestamp' } },
  },
  feature_views: {
    profile: { entity: 'user', timestamp_field: 'since', features: { name: 'string', taste: 'float32[3]' } },
    activity: {
      entity: 'user',
      stream: { event: 'purchase', keys: { user_id: 'user_id' } },
      features: { purchases_1h: { count: true, window: '1h' } },
    },
  },
  endpoints: {
    'may-return': { request, variants: { only: { model: 'floats@1' } } },
    split: { request, unit: 'user', variants: { ints: { model: 'ints@1' }, texts: { model: 'texts@1' } } },
    rest: { request, variants: { flags: { model: 'flags@1' }, open: { model: 'open@1' } } },
  },
};
/** Model -> the test model that it is, and its description. */
const models: Readonly<Record<string, readonly [string, object]>> = {
  floats: ['identity_float32', { inputs: { x: ['1', '2'] }, outputs: { 'first-one': 'y[0]', all: 'y' } }],
  ints: ['identity_int64', { inputs: { x: ['request.user', 'request.user'] }, outputs: { id: 'y[0]' } }],
  texts: ['identity_string', { inputs: { x: ['request.page ?? ""', '"a"'] }, outputs: { page: 'y[1]' } }],
  flags: ['identity_bool', { inputs: { x: ['request.gold', 'true'] } }],
  open: ['symbolic_width', { inputs: { x: ['1', '2'] } }],
};

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-types-'));
  await mkdir(join(scratch, 'shop'));
  await writeFile(join(scratch, 'shop', 'millrace.json'), JSON.stringify(project));
  for (const [name, [file, description]] of Object.entries(models)) {
    const dir = join(scratch, 'shop', name);
    await mkdir(join(dir, '1'), { recursive: true });
    await writeFile(join(dir, 'model.json'), JSON.stringify(description));
    await cp(join(root, `test/cases/models/${file}.onnx`), join(dir, '1', 'model.onnx'));
  }
  await mkdir(join(scratch, 'node_modules'));
  await symlink(root, join(scratch, 'node_modules', 'millrace'));
  // As in a page: the client's own types may need nothing of Node.
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2022', 'dom'],
    types: [],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
  };
  await writeFile(join(scratch, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  await writeFile(join(scratch, 'package.json'), '{ "type": "module" }');
});

afterAll(async () => rm(scratch, { recursive: true }));

async function writeTypes(): Promise<string> {
  const out = join(scratch, 'millrace.d.ts');
  const { code, stderr } = await run(['types', '--project', join(scratch, 'shop'), '--out', out]);
  expect([code, stderr]).toEqual([0, '']);
  return out;
}

const preamble = `import { createClient } from 'millrace/client';
import type { Project } from './millrace.d.ts';
export const client = createClient<Project>({ url: 'http://127.0.0.1:8080', WebSocket });
export const row = { user: 1, gold: true, when: new Date(), taste: [1, 2, 3], seen: [1n, '2'] };
`;

const good = `
export async function main(): Promise<void> {
  const answer = await client.predict('may-return', { rows: [row, { ...row, page: null, user: '12' }], trace: true });
  const first: number | null | undefined = answer.predictions[0]?.['first-one'];
  const all: readonly (number | null)[] | undefined = answer.predictions[0]?.all;
  const only: 'only' = answer.variant;
  const { user, ...rest } = row;
  await client.predict('may-return', {
    context: { user: 12n, when: 0 },
    rows: [{ gold: false, taste: new Float32Array(3), seen: new BigInt64Array(2) }],
    as_of: new Date(),
  });
  const split = await client.predict('split', { context: { user }, rows: [rest] });
  if (split.variant === 'ints') {
    const id: number | bigint | undefined = split.predictions[0]?.id;
    console.log(id);
  } else {
    const page: string | undefined = split.predictions[0]?.page;
    console.log(page);
  }
  const one = await client.predictOne('split', row, { unit: 'user' });
  if (one.variant === 'texts') console.log(one.prediction.page.length, one.row);
  await client.predictOne('may-return', row);
  await client.predictOne('may-return', rest, { context: { user }, timeoutMs: 100 });
  const other = await client.predictOne('rest', row);
  if (other.variant === 'flags') console.log(other.prediction.y.includes(true));
  else console.log(other.prediction.total?.toFixed(), other.prediction.double.length);
  await client.events.send({ type: 'purchase', fields: { user_id: 1, price: 2 }, time: new Date() });
  await client.events.send([
    { type: 'page.view', id: 'v-1', fields: { user_id: '1', at: 12 } },
    { type: 'purchase', fields: { user_id: 1, price: 2, note: undefined } },
  ]);
  await client.features({ features: ['profile:name', 'activity:purchases_1h'], entities: { user_id: [1] } });
  await client.push('profile', [{ user_id: 1, name: null, taste: [1, 2, 3], since: '2001-01-01' }]);
  await client.push('profile', [{ user_id: 1, name: 'a', taste: null }], { hasEventTimes: false });
  console.log(first, all, only);
}
interface Bare {
  readonly endpoints: {};
  readonly events: {};
  readonly views: {};
}
export const bare = createClient<Bare>({ url: 'http://127.0.0.1:8080' });
export const untyped = createClient({ url: 'http://127.0.0.1:8080', transport: 'ws', WebSocket, fetch });
export const asked = untyped.predict('any', { context: { a: 1 }, rows: [{ b: 'x', c: [1, 2], d: null }] });
export const told = untyped.events.send({ type: 'any', fields: { a: 1, b: new Date() }, time: 12 });
export const pushed = untyped.push('any', [{ a: 1, b: null, c: new Date() }]);
`;

const bad: readonly (readonly [mistake: string, code: string])[] = [
  ['an endpoint that is not there', `client.predict('may-retrun', { rows: [] })`],
  ['a field of a wrong type', `client.predict('may-return', { rows: [{ ...row, gold: 'yes' }] })`],
  ['a missing field', `client.predict('may-return', { rows: [{ user: 1 }] })`],
  ['an unknown field', `client.predict('may-return', { rows: [{ ...row, usr: 1 }] })`],
  [
    'null for a field that is not optional',
    `client.predict('may-return', { rows: [{ ...row, user: null }] })`,
  ],
  ['an unknown field in the context', `client.predict('may-return', { context: { usr: 1 }, rows: [] })`],
  ['a wrong type in the context', `client.predict('may-return', { context: { user: true }, rows: [] })`],
  [
    'a field that is in the context and in a row',
    `client.predict('may-return', { context: { user: 1 }, rows: [row] })`,
  ],
  ['rows that are left out', `client.predict('may-return', {})`],
  ['an option that is not there', `client.predict('may-return', { rows: [], asof: 1 })`],
  [
    'an output that is not there',
    `client.predict('may-return', { rows: [] }).then((a) => a.predictions[0]?.al)`,
  ],
  [
    'an output of another variant',
    `client.predict('split', { rows: [] }).then((a) => a.variant === 'ints' && a.predictions[0]?.page)`,
  ],
  ['a variant that is not there', `client.predict('split', { rows: [] }).then((a) => a.variant === 'none')`],
  ['rows joined without their unit', `client.predictOne('split', row)`],
  ['rows joined by another unit', `client.predictOne('split', row, { unit: 'page' })`],
  ['one row with a missing field', `client.predictOne('may-return', { user: 1 })`],
  ['an event type that is not there', `client.events.send({ type: 'sale', fields: {} })`],
  ['an event with a missing field', `client.events.send({ type: 'purchase', fields: { user_id: 1 } })`],
  [
    'an event with an unknown field',
    `client.events.send({ type: 'purchase', fields: { user_id: 1, price: 1, seats: 2 } })`,
  ],
  [
    'a time beside the fields of an event that has it among them',
    `client.events.send({ type: 'page.view', fields: { user_id: 1, at: 1 }, time: 1 })`,
  ],
  ['a feature that is not there', `client.features({ features: ['profile:nam'], entities: {} })`],
  ['a push without a feature', `client.push('profile', [{ user_id: 1, name: 'a' }])`],
  ['a push of what is computed from events', `client.push('activity', [{ user_id: 1, purchases_1h: 1 }])`],
];

it('writes types under which right programs compile and wrong ones do not', async () => {
  await writeTypes();
  await writeFile(join(scratch, 'good.ts'), preamble + good);
  for (const [i, [, code]] of bad.entries())
    await writeFile(join(scratch, `bad-${i}.ts`), `${preamble}export const bad = ${code};\n`);
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [compiler, '-p', scratch, '--pretty', 'false'], {
    encoding: 'utf8',
    cwd: scratch,
  });
  const isRefused = (i: number): boolean => stdout.includes(`bad-${i}.ts(5,`);
  expect(bad.filter((_, i) => !isRefused(i)).map(([mistake]) => mistake)).toEqual([]);
  // Nothing else is wrong: neither in the good program, nor in the types themselves.
  expect(stdout.split('\n').filter((line) => /^\S+\(/.test(line) && !/^bad-\d+\.ts\(5,/.test(line))).toEqual(
    [],
  );
});

describe('millrace types', () => {
  it('writes the same for the same project, and finds a file that is out of date', async () => {
    const out = await writeTypes();
    const args = ['types', '--project', join(scratch, 'shop'), '--out', out];
    expect(await run([...args, '--check'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const text = await readFile(out, 'utf8');
    expect(await run(args.slice(0, 3))).toMatchObject({ code: 0, stdout: text });
    await writeFile(out, text.replaceAll('\n', '\r\n'));
    expect(await run([...args, '--check'])).toMatchObject({ code: 0 });
    await writeFile(out, text.replace('purchase', 'purchases'));
    const stale = await run([...args, '--check']);
    expect([stale.code, stale.stdout]).toEqual([1, '']);
    expect(stale.stderr).toBe(
      `${out} is not what the project says: run millrace types --project ${join(scratch, 'shop')} --out ${out}\n`,
    );
    expect(await readFile(out, 'utf8')).toBe(text.replace('purchase', 'purchases'));
  });

  it('tells the width of outputs that only a run can tell', async () => {
    const { stdout } = await run(['types', '--project', join(scratch, 'shop')]);
    expect(stdout).toContain("'first-one': number | null;");
    expect(stdout).toMatch(/total: number \| null;\s+readonly double: readonly \(number \| null\)\[\];/);
    expect(stdout).toMatch(/flags: \{\s+readonly y: readonly boolean\[\];/);
  });

  it('refuses what it cannot do, with the remedy', async () => {
    const alone = await run(['types', '--project', demoDir, '--check']);
    expect([alone.code, alone.stderr]).toEqual([2, 'error: --check needs --out FILE.\n']);
    const missing = join(scratch, 'nothing', 'millrace.d.ts');
    const unread = await run(['types', '--project', demoDir, '--out', missing, '--check']);
    expect([unread.code, unread.stderr]).toEqual([1, expect.stringContaining(`${missing} cannot be read`)]);
    const unwritten = await run(['types', '--project', demoDir, '--out', missing]);
    expect([unwritten.code, unwritten.stderr]).toEqual([
      1,
      expect.stringContaining(`${missing} cannot be written`),
    ]);
    const nowhere = await run(['types', '--project', join(scratch, 'nowhere')]);
    expect([nowhere.code, nowhere.stdout]).toEqual([1, '']);
  });
});
