/**
 * A prediction service as one writes it first with Fastify and onnxruntime-node: JSON schemas for body and reply,
 * features in a Map, one run of the model per request. Prints its port as Millrace's log does.
 */
import { fileURLToPath } from 'node:url';
import Fastify from 'fastify';
import type { FastifyRequest } from 'fastify';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { FEATURES, USERS, featuresOf } from '../shape.ts';

interface PredictBody {
  readonly context?: { readonly user_id?: string };
  readonly rows: readonly { readonly user_id?: string; readonly item: string }[];
}

const bodySchema = {
  type: 'object',
  required: ['rows'],
  properties: {
    context: { type: 'object', properties: { user_id: { type: 'string' } } },
    rows: {
      type: 'array',
      maxItems: 1000,
      items: {
        type: 'object',
        required: ['item'],
        properties: { user_id: { type: 'string' }, item: { type: 'string' } },
      },
    },
  },
};
const replySchema = {
  200: {
    type: 'object',
    properties: {
      request_id: { type: 'string' },
      model: { type: 'string' },
      version: { type: 'string' },
      predictions: { type: 'array', items: { type: 'object', properties: { score: { type: 'number' } } } },
    },
  },
};

const modelPath = fileURLToPath(new URL('../../test/cases/models/mlp.onnx', import.meta.url));
const session = await InferenceSession.create(modelPath, { intraOpNumThreads: 1 });
const features = new Map(Array.from({ length: USERS }, (_, u) => [`user-${u}`, featuresOf(u)]));

async function predict({ id, body }: FastifyRequest<{ Body: PredictBody }>): Promise<object> {
  const { context, rows } = body;
  const input = new Float32Array(rows.length * FEATURES);
  rows.forEach((row, r) => {
    const values = features.get(row.user_id ?? context?.user_id ?? '');
    if (values !== undefined) input.set(values, r * FEATURES);
  });
  const { score } = await session.run({ x: new Tensor('float32', input, [rows.length, FEATURES]) });
  const scores = score?.data as Float32Array;
  return {
    request_id: id,
    model: 'm',
    version: '1',
    predictions: Array.from(scores, (value) => ({ score: value })),
  };
}

const app = Fastify();
app.route({
  method: 'POST',
  url: '/predict',
  schema: { body: bodySchema, response: replySchema },
  handler: predict,
});
const address = await app.listen({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ port: Number(new URL(address).port), msg: 'ready' }));
