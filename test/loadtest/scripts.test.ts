/** The scripts that measure, as they are called by hand. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

function runScript(
  script: string,
  option: string,
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', script, option], { cwd: root, encoding: 'utf8' });
}

it.each([
  ['loadtest/run.ts', 'ws-msgpack'],
  ['loadtest/peers/run.ts', '--rounds'],
  ['bench/run.ts', 'transforms'],
])('%s tells what it can do, and what it cannot in a line', (script, known) => {
  const help = runScript(script, '--help');
  expect(help.stdout).toContain(known);
  expect(help.status).toBe(0);
  const wrong = runScript(script, '--nope');
  expect(wrong.stderr).toContain('--nope');
  expect(wrong.stderr).toContain(known);
  expect(wrong.stderr).not.toContain('at ');
  expect(wrong.status).toBe(2);
});
