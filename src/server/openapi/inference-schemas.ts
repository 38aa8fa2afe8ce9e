/** The Open Inference Protocol's bodies, as JSON Schema. */
import { datatypes } from '../../serving/datatype.ts';
import { array, constant, count, described, mapOf, object, oneOfNames, text } from './json-schema.ts';
import type { Schema } from './json-schema.ts';

const datatype = oneOfNames(Object.values(datatypes));
const parameters = described({ type: 'object' }, 'Those that mean nothing here come back as they are.');
const dims = array({ type: 'integer', minimum: -1 }, { description: '-1 = open.' });
const shape = array(count);
const data = array({}, { description: 'Row by row; flat or nested. 64-bit integers keep all their digits.' });

const tensorMetadata = object({ name: text, datatype, shape: dims });

export const serverSchema = object({ name: text, version: text, extensions: array(text) });

export const metadataSchema = object({
  name: text,
  versions: array(text),
  platform: text,
  inputs: array(tensorMetadata),
  outputs: array(tensorMetadata),
});

export function modelReadySchema(isReady: boolean): Schema {
  return object({ name: text, ready: constant(isReady) });
}

const configTensor = object({ name: text, data_type: text, dims });

export const configSchema = object({
  name: text,
  platform: text,
  backend: text,
  max_batch_size: count,
  input: array(configTensor),
  output: array(configTensor),
  parameters: mapOf(object({ string_value: text })),
});

const duration = object({ count, ns: count });

export const statisticsSchema = object({
  model_stats: array(
    object({
      name: text,
      version: text,
      last_inference: described(count, 'Milliseconds since 1970; 0 = there was none.'),
      inference_count: described(count, 'Rows.'),
      execution_count: described(count, 'Runs.'),
      inference_stats: object({
        success: duration,
        fail: duration,
        queue: described(duration, 'Of runs: how long their first row waited.'),
        compute_input: described(duration, 'Is not measured: 0 ns.'),
        compute_infer: described(duration, 'Of runs.'),
        compute_output: described(duration, 'Is not measured: 0 ns.'),
      }),
    }),
  ),
});

export const indexSchema = array(
  object({ name: text, version: text, state: oneOfNames(['READY', 'UNAVAILABLE']), reason: text }),
);

const input = object({ name: text, shape, datatype, parameters, data }, ['name', 'shape', 'datatype']);

export const inferRequestSchema = object(
  {
    id: described(text, 'Comes back with the answer.'),
    parameters: described(
      { type: 'object' },
      '`timeout` in microseconds, `binary_data_output`; others come back as they are.',
    ),
    inputs: array(input),
    outputs: array(object({ name: text, parameters }, ['name']), {
      description: 'Those that are wanted; default: all.',
    }),
    model_name: described(text, 'Is ignored.'),
    model_version: described(text, 'Is ignored.'),
  },
  ['inputs'],
);

export const inferAnswerSchema = object(
  {
    model_name: text,
    model_version: text,
    id: text,
    parameters: { type: 'object' },
    outputs: array(
      object({ name: text, datatype, shape, parameters: { type: 'object' }, data }, [
        'name',
        'datatype',
        'shape',
      ]),
    ),
  },
  ['model_name', 'model_version', 'outputs'],
);
