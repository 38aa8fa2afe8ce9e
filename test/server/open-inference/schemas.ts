/** The shapes that the Open Inference Protocol publishes for its answers, as JSON Schema. */
const parameters = {
  type: 'object',
  additionalProperties: { type: ['string', 'number', 'boolean'] },
};
const name = { type: 'string', minLength: 1 };
const datatype = {
  enum: 'BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES'.split(' '),
};

function object(properties: object, optional: readonly string[] = []): object {
  const required = Object.keys(properties).filter((key) => !optional.includes(key));
  return { type: 'object', properties, required, additionalProperties: false };
}

function list(items: object): object {
  return { type: 'array', items };
}

const shape = (minimum: number): object => list({ type: 'integer', minimum });
const tensorMetadata = object({ name, datatype, shape: shape(-1) });
const output = object(
  {
    name,
    shape: shape(0),
    datatype,
    parameters,
    data: list({ type: ['number', 'string', 'boolean', 'null'] }),
  },
  ['parameters', 'data'],
);
const times = object({ count: { type: 'integer' }, ns: { type: 'integer' } });

export const schemas = {
  live: object({ live: { type: 'boolean' } }),
  ready: object({ ready: { type: 'boolean' } }),
  modelReady: object({ name, ready: { type: 'boolean' } }),
  server: object({ name, version: { type: 'string' }, extensions: list({ type: 'string' }) }),
  model: object({
    name,
    versions: list({ type: 'string', pattern: '^[0-9]+$' }),
    platform: { type: 'string', pattern: '^[a-z]+_[a-z0-9]+$' },
    inputs: list(tensorMetadata),
    outputs: list(tensorMetadata),
  }),
  infer: object(
    {
      model_name: name,
      model_version: { type: 'string' },
      id: { type: 'string' },
      parameters,
      outputs: list(output),
    },
    ['id', 'parameters'],
  ),
  error: { type: 'object', properties: { error: { type: 'string', minLength: 1 } }, required: ['error'] },
  index: list(
    object({
      name,
      version: { type: 'string' },
      state: { enum: ['READY', 'UNAVAILABLE'] },
      reason: { type: 'string' },
    }),
  ),
  stats: object({
    model_stats: list(
      object({
        name,
        version: { type: 'string' },
        last_inference: { type: 'integer' },
        inference_count: { type: 'integer' },
        execution_count: { type: 'integer' },
        inference_stats: object({
          success: times,
          fail: times,
          queue: times,
          compute_input: times,
          compute_infer: times,
          compute_output: times,
        }),
      }),
    ),
  }),
} as const;
