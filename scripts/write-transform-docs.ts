/**
 * Writes the function reference of docs/transforms.md from the function tables. With `--check` it writes nothing and
 * exits with 1 when the page is not what the tables say.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { functionGroups } from '../src/transforms/functions.ts';
import type { FunctionSpec } from '../src/transforms/functions.ts';

const page = fileURLToPath(new URL('../docs/transforms.md', import.meta.url));
const begin = '<!-- functions: written by `npm run docs` from src/transforms -->';
const end = '<!-- end of functions -->';

function reference(): string {
  return functionGroups
    .map(({ title, functions }) => [`### ${title}`, ...functions.map(entry)].join('\n\n'))
    .join('\n\n');
}

function entry(spec: FunctionSpec): string {
  const examples = spec.examples.map(([text, result]) => `${text}  →  ${resultText(result)}`);
  return [`#### ${spec.signature}`, spec.summary, ['```text', ...examples, '```'].join('\n')].join('\n\n');
}

function resultText(result: unknown): string {
  return result === null ? 'missing' : JSON.stringify(result);
}

const current = readFileSync(page, 'utf8');
const from = current.indexOf(begin) + begin.length;
const to = current.indexOf(end);
const options = { ...(await resolveConfig(page)), filepath: page };
const text = await format(`${current.slice(0, from)}\n\n${reference()}\n\n${current.slice(to)}`, options);

if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
} else if (current !== text) {
  console.error('docs/transforms.md is not what src/transforms says. Run: npm run docs');
  process.exitCode = 1;
}
