/** A server of models that serve tensors, and calls of it. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { elementTypes } from '../../../src/inference/session.ts';
import { loadProject } from '../../../src/project/read-project.ts';
import { createServer } from '../../../src/server/server.ts';
import type { ServerOptions } from '../../../src/server/server-options.ts';
import type { Server } from '../../../src/server/server.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { modelPath } from '../../inference/model-case.ts';
import { identityModel } from '../../inference/onnx-model.ts';

export interface TensorServer {
  readonly server: Server;
  readonly dir: string;
  get(path: string): Promise<Answer>;
  /** Sends JSON, or bytes of which so many are JSON. */
  infer(model: string, body: unknown, jsonBytes?: number): Promise<Answer>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** The header Inference-Header-Content-Length; NaN = it is not there. */
  readonly jsonBytes: number;
  readonly bytes: Buffer;
  /** The body as JSON, as far as it is. */
  readonly json: Record<string, unknown>;
}

/** Gives each input back as `y_` and its name, for each type one; all with the batch as first dimension and 2 columns. */
const identities = elementTypes.map((type) => ({ name: type, type, shape: ['n', 2] }));

/** `float` and the like: models of one input `x` and its output `y`. */
const models: Readonly<Record<string, Buffer | string>> = {
  'every.onnx': identityModel(identities),
  'typed.onnx': identityModel(identities.filter(({ type }) => type !== 'float16')),
  'float/1/model.onnx': 'identity_float32',
  'float/3/model.onnx': 'identity_float32',
  'big.onnx': identityModel([{ name: 'x', type: 'int64', shape: ['n'] }]),
  'text.onnx': identityModel([{ name: 'x', type: 'string', shape: ['n'] }]),
  'flags.onnx': identityModel([{ name: 'x', type: 'bool', shape: [1, 'n'] }]),
  'broken.onnx': 'corrupt',
  'rejects.onnx': 'gather',
  'slow.onnx': 'slow',
};

/** @param limits as in millrace.json */
export async function tensorServer(
  options: Partial<ServerOptions> = {},
  limits: Readonly<Record<string, unknown>> = {},
): Promise<TensorServer> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-tensors-'));
  await writeFile(
    join(dir, 'millrace.json'),
    JSON.stringify({ project: 'tensors', limits: { timeout: '60s', ...limits } }),
  );
  for (const [name, content] of Object.entries(models)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    if (typeof content === 'string') await copyFile(modelPath(`${content}.onnx`), join(dir, name));
    else await writeFile(join(dir, name), content);
  }
  const project = await loadProject(dir);
  const server = await createServer(project, {
    dataDir: join(dir, 'data'),
    port: 0,
    log: createLog('silent'),
    ...options,
  });
  return {
    server,
    dir,
    get: async (path) => answerOf(await fetch(server.url + path)),
    async infer(model, body, jsonBytes) {
      const isBytes = body instanceof Uint8Array;
      const headers: Record<string, string> = {
        'content-type': isBytes ? 'application/octet-stream' : 'application/json',
      };
      if (jsonBytes !== undefined) headers['inference-header-content-length'] = String(jsonBytes);
      const response = await fetch(`${server.url}/v2/models/${model}/infer`, {
        method: 'POST',
        headers,
        body: isBytes || typeof body === 'string' ? (body as string) : JSON.stringify(body),
      });
      return answerOf(response);
    },
    async close() {
      await server.close();
      await rm(dir, { recursive: true });
    },
  };
}

export async function answerOf(response: Response): Promise<Answer> {
  const bytes = Buffer.from(await response.arrayBuffer());
  const jsonBytes = Number(response.headers.get('inference-header-content-length') ?? Number.NaN);
  const text = bytes.subarray(0, Number.isNaN(jsonBytes) ? bytes.length : jsonBytes).toString();
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    jsonBytes,
    bytes,
    json: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}
