/** The trace of a prediction, as JSON Schema. */
import {
  array,
  count,
  described,
  mapOf,
  moment,
  nullable,
  number,
  object,
  oneOfNames,
} from './json-schema.ts';
import type { Schema } from './json-schema.ts';

const rowStatuses = ['PRESENT', 'NOT_FOUND', 'OUTSIDE_MAX_AGE'] as const;

export const valueStatus: Schema = oneOfNames([...rowStatuses, 'NULL_VALUE']);

const featureRow = object(
  {
    key: described(nullable({ type: 'string' }), 'The entity key; null where a field of it is missing.'),
    status: oneOfNames(rowStatuses),
    event_time: nullable(moment),
    age_ms: nullable(number),
    stale_ms: described(count, 'There while the store is away: since when the row was not read.'),
    values: mapOf(
      object({ value: { description: '"protected" where the caller may not see it.' }, status: valueStatus }),
    ),
  },
  ['key', 'status', 'event_time', 'age_ms', 'values'],
);

export const traceSchema: Schema = {
  description: 'There if the request asks for it: what the model saw, and where the time went.',
  ...object(
    {
      as_of: moment,
      rows: array(
        object({
          features: described(mapOf(featureRow), 'By `binding.view`.'),
          inputs: described(mapOf(array({})), "The model's inputs: null = NaN, infinities as text."),
        }),
      ),
      inputs_left_out: { type: 'string', description: 'There if the caller may not see the inputs: why.' },
      timings_ms: object({ gather: number, batch_and_run: number }),
    },
    ['as_of', 'rows', 'timings_ms'],
  ),
};
