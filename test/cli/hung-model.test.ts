/** A model whose run never ends, in a process of its own, which has to be killed afterwards. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { numberedAnswer, writeVersion } from '../server/numbered-project.ts';
import { start } from './process.ts';

const TIMEOUT = '300ms';

it('a model that hangs holds up no change of what is served', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-hung-'));
  const pin = async (model: string): Promise<void> => {
    const endpoints = { m: { request: { a: 'float32' }, variants: { only: { model } } } };
    const description = { project: 'hung', limits: { timeout: TIMEOUT }, endpoints };
    await writeFile(join(dir, 'millrace.json'), JSON.stringify(description));
  };
  await mkdir(join(dir, 'endless/1'), { recursive: true });
  await copyFile(new URL('../cases/models/endless.onnx', import.meta.url), join(dir, 'endless/1/model.onnx'));
  const hangs = { inputs: { x: ['request.a'] }, warmup: false, execution: 'worker', workers: 1 };
  await writeFile(join(dir, 'endless/model.json'), JSON.stringify(hangs));
  for (const version of [1, 2]) await writeVersion(dir, version, 1);
  await pin('endless@1');
  const running = start(['serve', '--project', dir, '--port', '0', '--watch', '0s']);
  try {
    const [, port] = await running.printed(/"port":(\d+),"msg":"listening"/);
    await running.printed(/"msg":"ready"/);
    const post = async (path: string, body: object): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const predict = async (): Promise<Response> => post('/v1/endpoints/m/predict', { rows: [{ a: 0 }] });
    expect((await predict()).status).toBe(504);
    for (const version of [1, 2]) {
      await pin(`m@${version}`);
      expect((await post('/v1/project/reload', {})).status).toBe(200);
      expect(await (await predict()).json()).toMatchObject({ predictions: [{ y: numberedAnswer(version) }] });
    }
  } finally {
    running.child.kill('SIGKILL');
    await rm(dir, { recursive: true });
  }
}, 60_000);
