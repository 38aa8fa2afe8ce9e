import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadServableProject } from '../../src/project/servable-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { createLog } from '../../src/telemetry/log.ts';
import type { Log } from '../../src/telemetry/log.ts';
import { call, predict } from '../e2e/demo-server.ts';
import type { Reply } from '../e2e/demo-server.ts';
import { modelPath } from '../inference/model-case.ts';
import { numberedAnswer, numberedModel, writeNumbered, writeVersion } from './numbered-project.ts';
import { purchase, writeShopProject } from './shop-project.ts';

const WATCH_MS = 25;
const SMALL = 10;

interface Served {
  readonly dir: string;
  readonly server: Server;
}

async function serve(
  write: (dir: string) => Promise<void>,
  options: Partial<ServerOptions> = {},
  meanwhile: (dir: string) => Promise<void> = async () => undefined,
): Promise<Served> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-lifecycle-'));
  await write(dir);
  const dataDir = join(dir, '.data');
  const project = await loadServableProject(dir);
  await meanwhile(dir);
  const server = await createServer(project, {
    dataDir,
    port: 0,
    log: createLog('silent'),
    ...options,
  });
  onTestFinished(async () => {
    await server.close();
    await rm(dir, { recursive: true });
  });
  return { dir, server };
}

async function post(server: Server, path: string, body: object = {}): Promise<Reply> {
  return call(server, path, { body: JSON.stringify(body) });
}

async function answeredBy(server: Server): Promise<unknown> {
  const { json } = await predict(server, 'm', { rows: [{ a: 0 }] });
  const { version, predictions } = json as { version: string; predictions: { y: number }[] };
  return [version, predictions[0]?.y];
}

function answerOf(version: number): unknown {
  return [String(version), numberedAnswer(version)];
}

async function until(expected: unknown, read: () => Promise<unknown>): Promise<void> {
  await vi.waitFor(async () => expect(await read()).toEqual(expected), { timeout: 10_000, interval: 20 });
}

describe('a variant that follows the newest version', () => {
  it('is answered by a version that appears once it is checked, and never by one with a mistake', async () => {
    const { dir, server } = await serve(
      async (folder) => {
        await writeVersion(folder, 1, SMALL);
        await writeNumbered(folder, 'latest');
      },
      { watchModelsMs: WATCH_MS },
    );
    expect(await answeredBy(server)).toEqual(answerOf(1));
    await writeVersion(dir, 2, SMALL);
    await until(answerOf(2), async () => answeredBy(server));
    // Its slots do not fit: the model takes one value per row.
    await writeVersion(dir, 3, SMALL);
    await writeFile(join(dir, 'm/3/model.json'), JSON.stringify({ inputs: { x: ['request.a', '1.0'] } }));
    // A file that is no model.
    await mkdir(join(dir, 'm/4'));
    await writeFile(join(dir, 'm/4/model.json'), JSON.stringify({ inputs: { x: ['request.a'] } }));
    await writeFile(join(dir, 'm/4/model.onnx'), 'half a mod');
    await writeVersion(dir, 5, SMALL);
    await until(answerOf(5), async () => answeredBy(server));
    await rm(join(dir, 'm/5'), { recursive: true });
    await until(answerOf(2), async () => answeredBy(server));
  });

  it('is found at the start, too, behind one that cannot be served', async () => {
    const { server } = await serve(async (folder) => {
      await writeVersion(folder, 1, SMALL);
      await writeVersion(folder, 2, SMALL);
      await writeFile(join(folder, 'm/2/model.onnx'), 'no model');
      await writeNumbered(folder, 'latest');
    });
    expect(await answeredBy(server)).toEqual(answerOf(1));
  });
});

describe('a version with a mistake that no endpoint needs', () => {
  it('is left out and told of, at the start as while serving', async () => {
    const { dir, server } = await serve(async (folder) => {
      await writeVersion(folder, 1, SMALL);
      await writeVersion(folder, 2, SMALL);
      await writeFile(join(folder, 'm/2/model.json'), '{"inputs":3}');
      await writeNumbered(folder, 'latest');
    });
    expect(await answeredBy(server)).toEqual(answerOf(1));
    const index = await post(server, '/v2/repository/index');
    expect(JSON.parse(index.text)).toMatchObject([
      { name: 'm', version: '1', state: 'READY' },
      { name: 'm', version: '2', state: 'UNAVAILABLE', reason: expect.stringContaining('inputs') as string },
    ]);
    await writeNumbered(dir, 2);
    expect((await post(server, '/v1/project/reload')).status).toBe(422);
    expect(await answeredBy(server)).toEqual(answerOf(1));
  });

  it('has the name of its model where it is a file beside a folder', async () => {
    const { server } = await serve(async (folder) => {
      await writeVersion(folder, 1, SMALL);
      await writeNumbered(folder, 1);
      await mkdir(join(folder, 'both/1'), { recursive: true });
      for (const path of ['both.onnx', 'both/1/model.onnx'])
        await copyFile(modelPath('identity_float32.onnx'), join(folder, path));
    });
    const index = JSON.parse((await post(server, '/v2/repository/index')).text) as { name: string }[];
    expect(index.filter(({ name }) => name.startsWith('both'))).toMatchObject([
      { name: 'both', version: '1', state: 'READY' },
      { name: 'both', state: 'UNAVAILABLE', reason: expect.stringContaining('a folder as well') as string },
    ]);
  });
});

describe('a change of the folders while the server starts', () => {
  it('is not missed', async () => {
    const { server } = await serve(
      async (folder) => {
        await writeVersion(folder, 1, SMALL);
        await writeNumbered(folder, 'latest');
      },
      { watchModelsMs: WATCH_MS },
      async (folder) => writeVersion(folder, 2, SMALL),
    );
    await until(answerOf(2), async () => answeredBy(server));
    expect(await answeredBy(server)).toEqual(answerOf(2));
  });
});

describe('a model that no endpoint uses', () => {
  const answered = async (server: Server, version = ''): Promise<unknown> => {
    const at = version === '' ? '' : `/versions/${version}`;
    const inputs = [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [0] }];
    const { status, json } = await post(server, `/v2/models/t${at}/infer`, { inputs });
    const [output] = (json['outputs'] ?? []) as { data: number[] }[];
    return [status, json['model_version'], output?.data[0]];
  };
  const put = async (dir: string, version: number, content: Buffer | string): Promise<void> => {
    await mkdir(join(dir, `t/${version}`), { recursive: true });
    await writeFile(join(dir, `t/${version}/.next`), content);
    await rename(join(dir, `t/${version}/.next`), join(dir, `t/${version}/model.onnx`));
  };

  it('is served on when a new version, or a new file in its place, cannot be', async () => {
    const warnings: string[] = [];
    const warn = (_: object, message: string): void => void warnings.push(message);
    const log = { ...createLog('silent'), warn, info: () => undefined } as unknown as Log;
    const { dir, server } = await serve(
      async (folder) => {
        await writeFile(join(folder, 'millrace.json'), JSON.stringify({ project: 'tensors' }));
        await put(folder, 1, numberedModel(1, SMALL));
      },
      { watchModelsMs: WATCH_MS, log },
    );
    expect(await answered(server)).toEqual([200, '1', 1]);
    await put(dir, 2, 'half a mod');
    await vi.waitFor(() => expect(warnings.join()).toContain('t/2/model.onnx'));
    await until([200, '1', 1], async () => answered(server));
    expect(await answered(server, '2')).toEqual([503, undefined, undefined]);
    await put(dir, 1, 'half a mod');
    await vi.waitFor(() => expect(warnings.join()).toContain('the file of before is served on'));
    await until([200, '1', 1], async () => answered(server));
    await put(dir, 1, numberedModel(5, SMALL));
    await until([200, '1', 5], async () => answered(server));
    await put(dir, 2, numberedModel(2, SMALL));
    await until([200, '2', 2], async () => answered(server));
  });

  it('is served by the newest version that can be, at the start', async () => {
    const { server } = await serve(async (folder) => {
      await writeFile(join(folder, 'millrace.json'), JSON.stringify({ project: 'tensors' }));
      await put(folder, 1, numberedModel(1, SMALL));
      await put(folder, 2, 'half a mod');
    });
    expect(await answered(server)).toEqual([200, '1', 1]);
  });
});

describe('a model file that lies where none is looked for', () => {
  it('is told of once, with the place where it would be served', async () => {
    const warnings: string[] = [];
    const warn = (_: object, message: string): void => void warnings.push(message);
    const log = { ...createLog('silent'), warn, info: () => undefined } as unknown as Log;
    const { dir, server } = await serve(
      async (folder) => {
        await writeVersion(folder, 1, SMALL);
        await writeNumbered(folder, 1);
        await mkdir(join(folder, 'beside'));
        await writeFile(join(folder, 'beside/beside.onnx'), numberedModel(1, SMALL));
      },
      { watchModelsMs: WATCH_MS, log },
    );
    const beside = `${dir}/beside/beside.onnx is not served: move it to ${dir}/beside/1/model.onnx`;
    expect(warnings).toEqual([beside]);
    await mkdir(join(dir, 'm/2'));
    await writeFile(join(dir, 'm/2/best.onnx'), numberedModel(2, SMALL));
    const named = `${dir}/m/2/best.onnx is not served: move it to ${dir}/m/2/model.onnx`;
    await until([beside, named], async () => warnings);
    await mkdir(join(dir, 'beside/1'));
    await rename(join(dir, 'beside/beside.onnx'), join(dir, 'beside/1/model.onnx'));
    await until(200, async () => (await call(server, '/v2/models/beside/ready')).status);
    expect(warnings).toHaveLength(2);
    await rename(join(dir, 'm/2/best.onnx'), join(dir, 'm/2/model.onnx'));
    await until(['1', '2'], async () => (await call(server, '/v2/models/m')).json['versions']);
    // Changes are made one after the other: when this one ends, the one before has looked for files, too.
    expect((await post(server, '/v1/project/reload')).status).toBe(200);
    await rename(join(dir, 'm/2/model.onnx'), join(dir, 'm/2/best.onnx'));
    await until([beside, named, named], async () => warnings);
  });

  it('is named to whoever asks for its model', async () => {
    const { dir, server } = await serve(async (folder) => {
      await writeVersion(folder, 1, SMALL);
      await writeNumbered(folder, 1);
    });
    await mkdir(join(dir, 'beside'));
    await writeFile(join(dir, 'beside/beside.onnx'), numberedModel(1, SMALL));
    const { status, json } = await post(server, '/v2/repository/models/beside/load');
    const stray = `${dir}/beside/beside.onnx is not served: move it to ${dir}/beside/1/model.onnx`;
    expect([status, json['error']]).toEqual([404, `There is no model "beside"; ${stray}`]);
  });
});

describe('a version that is replaced in its place', () => {
  it('is served as it is then, when it is whole', async () => {
    const errors: string[] = [];
    const error = (_: object, message: string): void => void errors.push(message);
    const log = { ...createLog('silent'), error, info: () => undefined } as unknown as Log;
    const { dir, server } = await serve(
      async (folder) => {
        await writeVersion(folder, 1, SMALL);
        await writeNumbered(folder, 1);
      },
      { watchModelsMs: WATCH_MS, log },
    );
    await writeFile(join(dir, 'm/1/.next'), numberedModel(5, SMALL));
    await rename(join(dir, 'm/1/.next'), join(dir, 'm/1/model.onnx'));
    await until(['1', 1005], async () => answeredBy(server));
    await writeFile(join(dir, 'm/1/model.onnx'), 'half a mod');
    await vi.waitFor(() => expect(errors).toContain('the change was refused'));
    expect(await answeredBy(server)).toEqual(['1', 1005]);
  });
});

describe('the reload of a project', () => {
  it('is refused with every mistake, and what is served is served on', async () => {
    const { dir, server } = await serve(async (folder) => {
      await writeVersion(folder, 1, SMALL);
      await writeNumbered(folder, 1);
    });
    await writeNumbered(dir, 7);
    const refused = await post(server, '/v1/project/reload');
    expect(refused.status).toBe(422);
    expect(refused.json).toMatchObject({
      code: 'CHANGE_REFUSED',
      details: [{ message: 'the model m has no version 7 (versions are 1)' }],
    });
    expect(await answeredBy(server)).toEqual(answerOf(1));
    const { text } = await call(server, '/metrics');
    expect(text).toContain('millrace_queue_rows{model="m",version="1"} 0');
    expect(text).toContain('millrace_changes_total{kind="reload",outcome="failed"} 1');
  });

  it('brings endpoints and takes them away, with their routes', async () => {
    const { dir, server } = await serve(async (folder) => {
      await writeVersion(folder, 1, SMALL);
      await writeNumbered(folder, 1);
    });
    const endpoint = { request: { a: 'float32' }, variants: { only: { model: 'm@1' } } };
    await writeNumbered(dir, 1, { endpoints: { other: endpoint } });
    expect((await post(server, '/v1/project/reload')).status).toBe(200);
    const rows = { rows: [{ a: 0 }] };
    expect((await predict(server, 'other', rows)).status).toBe(200);
    const gone = await predict(server, 'm', rows);
    expect(gone.json).toMatchObject({ code: 'UNKNOWN_ENDPOINT' });
    const { text } = await call(server, '/metrics');
    expect(text).toContain('millrace_requests_total{route="predict",endpoint="other",status="200"} 1');
  });

  it('counts every event once, of those that come in while its views are changed', async () => {
    const { dir, server } = await serve(async (folder) => writeShopProject(folder));
    let isStopped = false;
    let sent = 0;
    const statuses = new Set<number>();
    const sending = (async () => {
      while (!isStopped) {
        const { status } = await post(server, '/v1/events', purchase(`p${sent}`, 7, 1));
        statuses.add(status);
        sent++;
      }
    })();
    for (let swap = 0; swap < 10; swap++) {
      const limits = { memory_bytes_max: swap % 2 === 0 ? '1mb' : '2mb' };
      await writeShopProject(dir, { limits });
      expect((await post(server, '/v1/project/reload')).status).toBe(200);
    }
    isStopped = true;
    await sending;
    expect([...statuses]).toEqual([202]);
    const features = { features: ['activity:purchases_1h'], entities: { user_id: [7] } };
    await until([sent], async () => {
      const { json } = await post(server, '/get-online-features', features);
      return (json as { results: { values: unknown[] }[] }).results[1]?.values;
    });
  });
});

describe('a model that no endpoint uses', () => {
  it('is loaded and unloaded while the server runs', async () => {
    const { dir, server } = await serve(async (folder) => {
      await writeVersion(folder, 1, SMALL);
      await writeNumbered(folder, 1);
      await mkdir(join(folder, 'free/1'), { recursive: true });
      await copyFile(modelPath('identity_float32.onnx'), join(folder, 'free/1/model.onnx'));
    });
    const change = async (model: string, action: string): Promise<unknown> => {
      const { status, json } = await post(server, `/v2/repository/models/${model}/${action}`);
      return status === 200 ? json : json['code'];
    };
    expect(await change('free', 'unload')).toEqual({});
    expect(await change('free', 'unload')).toEqual({});
    expect(await change('free', 'load')).toEqual({});
    expect(await change('m', 'load')).toEqual({});
    expect(await change('m', 'unload')).toBe('MODEL_IN_USE');
    expect(await change('fee', 'load')).toBe('UNKNOWN_MODEL');
    await copyFile(modelPath('corrupt.onnx'), join(dir, 'bad.onnx'));
    expect(await change('bad', 'load')).toBe('CHANGE_REFUSED');
    expect(await change('..%2f..%2fetc', 'load')).toBe('UNKNOWN_MODEL');
    expect(await answeredBy(server)).toEqual(answerOf(1));
  });
});
