/**
 * Writes docs/reference.md: the commands with their options, the environment, and the metrics. With `--check` it writes
 * nothing and exits with 1 when the page is not what the sources say.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { commandTables } from './command-tables.ts';
import { metricTable } from './metric-table.ts';

const page = fileURLToPath(new URL('../docs/reference.md', import.meta.url));

const note =
  '<!-- Written by `npm run docs` from src/. Change the sources or scripts/write-reference.ts. -->';
const intro = `# Reference

Every command with its options, every variable of the environment, and every metric. Errors have [a page](errors.md) of their own,
and so has [the project file](project.md). [Operations](operations.md) says what to do with them.

## Commands`;

const metrics = `## Metrics

A histogram has the series \`_bucket\`, \`_sum\` and \`_count\` of its name. Beside these, \`/metrics\` has the process metrics
of prom-client, whose names begin with \`process_\` and \`nodejs_\`. What several workers have is [made into one](operations.md#metrics-of-several-workers).`;

const options = { ...(await resolveConfig(page)), filepath: page };
const parts = [note, intro, await commandTables(), metrics, metricTable()];
const text = await format(`${parts.join('\n\n')}\n`, options);
const current = existsSync(page) && readFileSync(page, 'utf8') === text;

if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
} else if (!current) {
  console.error('docs/reference.md is not what src/ says. Run: npm run docs');
  process.exitCode = 1;
}
