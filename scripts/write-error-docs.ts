/**
 * Writes docs/errors.md from the error catalogue. With `--check` it writes nothing and exits with 1 when the page is
 * not what the catalogue says.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { errorCatalogue } from '../src/errors.ts';

const page = fileURLToPath(new URL('../docs/errors.md', import.meta.url));

const intro = `# Errors

Every error reply has the same form. \`error\` is a sentence for people, \`code\` is one of the codes below and is
what a program may rely on. \`details\` lists the places in the request that are wrong, where there are any.
\`retry_after_ms\` comes with 429 and 503: the time after which a retry has a chance.

\`\`\`json
{
  "error": "The request does not fit the endpoint \\"flight-delay\\": rows[0].distance must be a number, not a string (and 1 more, see details).",
  "code": "INVALID_REQUEST",
  "request_id": "m4k2x9-7q",
  "details": [
    { "path": "rows[0].distance", "message": "must be a number, not a string" },
    { "path": "rows[1].origin", "message": "is missing" }
  ]
}
\`\`\`

On the command line the same errors are one sentence on standard error and exit code 1. A code never changes its
meaning.`;

function table(): string {
  const rows = Object.entries(errorCatalogue).map(
    ([code, { status, meaning }]) => `| \`${code}\` | ${status} | ${meaning.replaceAll('|', '\\|')} |`,
  );
  return ['| code | HTTP status | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

const note =
  '<!-- Written by `npm run docs` from src/errors.ts. Change the catalogue or scripts/write-error-docs.ts. -->';
const options = { ...(await resolveConfig(page)), filepath: page };
const text = await format(`${note}\n\n${intro}\n\n${table()}\n`, options);
const current = existsSync(page) && readFileSync(page, 'utf8') === text;

if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
} else if (!current) {
  console.error('docs/errors.md is not what src/errors.ts says. Run: npm run docs');
  process.exitCode = 1;
}
