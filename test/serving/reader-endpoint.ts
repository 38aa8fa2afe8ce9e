/** An endpoint with a field of every type, for the tests of the readers. */
import { parseDataType } from '../../src/project/data-type.ts';
import type { DataType } from '../../src/project/data-type.ts';
import type { Endpoint, Limits } from '../../src/project/project.ts';

export const types = {
  name: 'string',
  name_2: 'string',
  price: 'float64',
  ratio: 'float32',
  count: 'int64',
  isNew: 'bool',
  at: 'timestamp',
  v: 'float32[3]',
};
const optional = new Set(['name_2', 'v', 'ratio']);
export const endpoint: Endpoint = {
  name: 'e',
  request: Object.entries(types).map(([name, type], index) => ({
    name,
    index,
    type: parseDataType(type) as DataType,
    optional: optional.has(name),
  })),
} as unknown as Endpoint;
export const limits: Limits = { rowsMax: 4 } as Limits;
