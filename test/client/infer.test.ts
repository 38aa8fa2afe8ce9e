/** Tensors by the Open Inference Protocol, sent by the client. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../src/client/index.ts';
import type { Client } from '../../src/client/index.ts';
import { tensorServer } from '../server/open-inference/tensor-server.ts';
import type { TensorServer } from '../server/open-inference/tensor-server.ts';

let tensors: TensorServer;
let client: Client;

beforeAll(async () => {
  tensors = await tensorServer();
  client = createClient({ url: tensors.server.url });
});

afterAll(async () => {
  await client.close();
  await tensors.close();
});

describe('infer', () => {
  it('runs a model on typed and on nested arrays', async () => {
    const input = { name: 'x', datatype: 'FP32', shape: [2, 2] };
    const typed = await client.infer('float', {
      id: 'call-1',
      inputs: [{ ...input, data: new Float32Array([1, NaN, 2.5, 3]) }],
    });
    expect(typed).toMatchObject({
      model_name: 'float',
      model_version: '3',
      id: 'call-1',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 2], data: [1, null, 2.5, 3] }],
    });
    const nested = [
      [1, 2],
      [3, 4],
    ];
    const named = await client.infer('float', { inputs: [{ ...input, data: nested }] }, { version: '3' });
    expect(named).toMatchObject({ model_version: '3', outputs: [{ data: [1, 2, 3, 4] }] });
  });

  it('takes whole numbers as far as JSON keeps their digits', async () => {
    const input = { name: 'x', datatype: 'INT64', shape: [2] };
    const { outputs } = await client.infer('big', {
      inputs: [{ ...input, data: new BigInt64Array([2n ** 53n - 1n, -1n]) }],
      outputs: [{ name: 'y' }],
    });
    expect(outputs).toMatchObject([{ name: 'y', data: [2 ** 53 - 1, -1] }]);
    const beyond = client.infer('big', { inputs: [{ ...input, data: [2n ** 62n, 1] }] });
    await expect(beyond).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('rejects with what the server says', async () => {
    const unknown = client.infer('flaot', { inputs: [] });
    await expect(unknown).rejects.toMatchObject({ code: 'UNKNOWN_MODEL', status: 404 });
  });
});
