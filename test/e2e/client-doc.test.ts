/** The programs of docs/client.md, run and compiled as a reader would. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startDemoServer } from './demo-server.ts';
import type { DemoServer } from './demo-server.ts';

const root = new URL('../..', import.meta.url).pathname;
const runFile = promisify(execFile);
let demo: DemoServer;
let scratch: string;
let page: string;

beforeAll(async () => {
  demo = await startDemoServer();
  page = await readFile(join(root, 'docs/client.md'), 'utf8');
  scratch = await mkdtemp(join(tmpdir(), 'millrace-client-doc-'));
  await mkdir(join(scratch, 'node_modules'));
  for (const [name, path] of [
    ['millrace', root],
    ['ws', join(root, 'node_modules/ws')],
  ] as const)
    await symlink(path, join(scratch, 'node_modules', name));
  await writeFile(join(scratch, 'package.json'), '{ "type": "module" }');
});

afterAll(async () => {
  await demo.stop();
  await rm(scratch, { recursive: true });
});

it('prints what the page says', async () => {
  // What a program prints stands right behind it.
  const programs = [...page.matchAll(/```js\n((?:(?!```).)*)```\n\n```text\n(.*?)```/gs)];
  expect(programs).toHaveLength(5);
  for (const [i, [, program = '', printed]] of programs.entries()) {
    const file = join(scratch, `program-${i}.js`);
    await writeFile(file, program.replace('http://127.0.0.1:8080', demo.server.url));
    const { stdout } = await runFile(process.execPath, [file], { cwd: scratch });
    expect(stdout).toBe(printed);
  }
});

it('compiles what the page shows of types', async () => {
  const [, command = '', program = ''] =
    /```sh\nnpx millrace (types .*?)\n```.*?```ts\n(.*?)```/s.exec(page) ?? [];
  const args = command.replace('models', join(root, 'models')).split(' ');
  await runFile(process.execPath, [join(root, 'dist/cli.js'), ...args], { cwd: scratch });
  await writeFile(join(scratch, 'right.ts'), program);
  await writeFile(join(scratch, 'wrong.ts'), program.replace('distance', 'distnce'));
  const options = '--strict --module nodenext --target es2022 --lib es2022,dom --types node --noEmit';
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const typeRoots = ['--typeRoots', join(root, 'node_modules/@types')];
  const compiled = runFile(
    process.execPath,
    [compiler, ...options.split(' '), ...typeRoots, 'right.ts', 'wrong.ts'],
    { cwd: scratch },
  );
  await expect(compiled).rejects.toMatchObject({ stdout: expect.stringMatching(/^wrong\.ts.*distnce/) });
  await expect(compiled).rejects.toMatchObject({ stdout: expect.not.stringContaining('right.ts') });
});

it('names every option, code and call', async () => {
  const sources = ['client', 'event-outbox', 'client-error'];
  const texts = await Promise.all(
    sources.map(async (name) => readFile(join(root, `src/client/${name}.ts`), 'utf8')),
  );
  const [client = '', outbox = '', errors = ''] = texts;
  const fieldsOf = (text: string, name: string): (string | undefined)[] => {
    const [body = ''] = new RegExp(`interface ${name}[^]*?\n}`).exec(text) ?? [];
    return [...body.matchAll(/^ {2}(?:readonly )?(\w+)[?:<(]/gm)].map(([, field]) => field);
  };
  const names = [
    ...fieldsOf(client, 'ClientOptions'),
    ...fieldsOf(client, 'Client<'),
    ...fieldsOf(outbox, 'OutboxOptions'),
    ...[...errors.matchAll(/'([A-Z_]{4,})'/g)].map(([, code]) => code),
  ];
  expect(names.length).toBeGreaterThan(25);
  const shown = [...page.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code).join(' ');
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(shown))).toEqual([]);
});

it('says how large the client is', async () => {
  const sentence = /client have (\d+) KB in all, those of msgpackr (\d+) KB;[^]*? (\d+) and (\d+) KB/;
  const told = (sentence.exec(page) ?? []).slice(1).map(Number);
  const dir = join(root, 'dist/client');
  const own = (await readdir(dir)).filter((name) => name.endsWith('.js')).map((name) => join(dir, name));
  const packer = ['index', 'pack', 'unpack', 'iterators'].map((name) =>
    join(root, `node_modules/msgpackr/${name}.js`),
  );
  const [ownCode, packerCode] = await Promise.all([own, packer].map(contentOf));
  const bytes = [ownCode, packerCode, gzipSync(ownCode ?? ''), gzipSync(packerCode ?? '')];
  const is = bytes.map((buffer) => (buffer?.length ?? 0) / 1000);
  expect(told).toHaveLength(is.length);
  const isNear = told.every((number, i) => Math.abs(number - (is[i] ?? 0)) <= 0.1 * number + 1);
  expect({ isNear, told, is }).toMatchObject({ isNear: true });
});

async function contentOf(paths: readonly string[]): Promise<Buffer> {
  return Buffer.concat(await Promise.all(paths.map(async (path) => readFile(path))));
}
