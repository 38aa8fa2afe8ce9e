import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const logModule = new URL('../../dist/telemetry/log.js', import.meta.url).href;

it('every line is out before the process can be killed', () => {
  const program = `
    const { createLog } = await import('${logModule}');
    const log = createLog('info');
    for (let line = 0; line < 20; line++) log.info({ line }, 'listening');
    process.kill(process.pid, 'SIGKILL');`;
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', program]);
  expect(signal).toBe('SIGKILL');
  const lines = stdout.toString().trim().split('\n');
  expect(lines).toHaveLength(20);
  expect(JSON.parse(lines[19] as string)).toMatchObject({ level: 'info', line: 19, msg: 'listening' });
});
