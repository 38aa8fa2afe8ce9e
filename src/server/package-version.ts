import { readFileSync } from 'node:fs';

/** The version of Millrace, as its package says; the file lies as deep in src/ as in dist/. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
