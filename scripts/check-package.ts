/**
 * Checks what `npm publish` would send: everything that the package needs, nothing of the workshop, and a command line
 * that can be started. Needs a fresh build.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const needed = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'dist/cli.js',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/client/index.js',
  'dist/client/index.d.ts',
  'dist/server/docs-page/page.html',
  'dist/server/docs-page/page.css',
  'dist/server/docs-page/page.js',
  'schema/millrace.schema.json',
  'schema/model.schema.json',
  'schema/open-inference.proto',
  'docs/errors.md',
  'models/millrace.yaml',
];

const shipped =
  /^(dist|schema|docs|models)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md|ARCHITECTURE\.md|CONTRIBUTING\.md)$/;
const workshop = /^models\/train\/|\.mdb$|\.test\.|\.tsbuildinfo$|(^|\/)(\.|__pycache__)/;
const bytesMax = 9 * 2 ** 20;

interface PackedFile {
  readonly path: string;
  readonly size: number;
}

function packedFiles(): readonly PackedFile[] {
  const out = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [packed] = JSON.parse(out) as readonly { readonly files: readonly PackedFile[] }[];
  return packed?.files ?? [];
}

function commandLineProblems(): string[] {
  const file = `${root}dist/cli.js`;
  const problems: string[] = [];
  if ((statSync(file).mode & 0o111) === 0) problems.push('dist/cli.js is not executable');
  if (!readFileSync(file, 'utf8').startsWith('#!/usr/bin/env node\n'))
    problems.push('dist/cli.js has no #! line');
  return problems;
}

function packageProblems(): string[] {
  const files = packedFiles();
  const paths = new Set(files.map(({ path }) => path));
  const missing = needed.filter((path) => !paths.has(path)).map((path) => `${path} is missing`);
  const models = files.some(({ path }) => /^models\/[^/]+\/\d+\/model\.onnx$/.test(path));
  const strays = [...paths].filter((path) => !shipped.test(path) || workshop.test(path));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return [
    ...missing,
    ...(models ? [] : ['models/ has no model.onnx']),
    ...strays.map((path) => `${path} does not belong in the package`),
    ...(bytes > bytesMax ? [`the package unpacks to ${bytes} bytes; the limit is ${bytesMax}`] : []),
    ...(paths.has('dist/cli.js') ? commandLineProblems() : []),
  ];
}

const found = packageProblems();
for (const problem of found) console.error(`package: ${problem}`);
if (found.length > 0) process.exitCode = 1;
