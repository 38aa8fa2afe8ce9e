/** Compiles src/ to an empty dist/, so that no file of an earlier build stays, and makes the command line executable. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = `${root}node_modules/typescript/bin/tsc`;

rmSync(`${root}dist`, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status === 0) {
  chmodSync(`${root}dist/cli.js`, 0o755);
  // What browsers get is not compiled.
  cpSync(`${root}src/server/docs-page`, `${root}dist/server/docs-page`, {
    recursive: true,
    filter: (name) => !name.endsWith('.ts'),
  });
} else process.exitCode = 1;
