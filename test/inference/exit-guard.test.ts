/** Processes that end while a worker thread is in ONNX Runtime. Their code is dist/, as threads need it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { modelPath } from './model-case.ts';

const dist = new URL('../../dist/inference/', import.meta.url).href;

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** @param then what the process does once the model is loaded; `session` and `run` are there. */
async function endOf(model: string, then: string): Promise<End> {
  const script = `
    import { createExitGuard } from '${dist}exit-guard.js';
    import { openWorkerSession } from '${dist}worker-session.js';
    const opening = openWorkerSession('${modelPath(model)}', { threads: 2, exitGuard: createExitGuard() });
    const run = (session) => session.run([{ data: new Float32Array(2), dims: [2, 1] }]).catch(() => {});
    ${then}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stderr };
}

describe('a process that exits', () => {
  it.each([
    ['while a model is loaded', 'setTimeout(() => process.exit(3), 60);'],
    ['while its threads are idle', 'await opening; process.exit(3);'],
    ['while a run begins', 'void run(await opening); process.exit(3);'],
    ['during a run', 'void run(await opening); setTimeout(() => process.exit(3), 10);'],
    [
      'after its threads have ended',
      'const session = await opening; await run(session); await session.release(); process.exit(3);',
    ],
  ])('keeps its code: %s', async (_, then) => {
    expect(await endOf('heavy.onnx', then)).toEqual({ code: 3, signal: null, stderr: '' });
  });

  it('after an error that nobody caught tells that error', async () => {
    const end = await endOf('heavy.onnx', "void run(await opening); throw new Error('uncaught');");
    expect(end.code).toBe(1);
    expect(end.stderr).toContain('Error: uncaught');
    expect(end.stderr).not.toContain('terminate called');
  });

  it('does not wait for a run that never ends', async () => {
    const startedMs = performance.now();
    const end = await endOf(
      'endless.onnx',
      "process.on('SIGTERM', () => {}); void run(await opening); setTimeout(() => process.exit(3), 10);",
    );
    expect(end).toEqual({ code: null, signal: 'SIGTERM', stderr: '' });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });
});

it('a process ends by itself when its sessions are released', async () => {
  const then = 'const session = await opening; await run(session); await session.release();';
  expect(await endOf('slow.onnx', then)).toEqual({ code: 0, signal: null, stderr: '' });
});
