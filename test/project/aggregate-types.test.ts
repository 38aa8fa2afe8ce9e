import { describe, expect, it } from 'vitest';
import { refuseField, resultType } from '../../src/project/aggregate-types.ts';
import { formatDataType, parseDataType } from '../../src/project/data-type.ts';
import type { DataType } from '../../src/project/data-type.ts';
import { aggregateNames } from '../../src/project/project.ts';
import type { AggregateName } from '../../src/project/project.ts';

function dataType(text: string): DataType {
  const type = parseDataType(text);
  if (typeof type === 'string') throw new Error(type);
  return type;
}

describe('the type of an aggregate', () => {
  it.each<[AggregateName, string | undefined, string]>([
    ['count', undefined, 'int64'],
    ['count_distinct', 'string', 'int64'],
    ['sum', 'int64', 'float64'],
    ['mean', 'bool', 'float64'],
    ['variance', 'float32', 'float64'],
    ['quantile', 'int64', 'float64'],
    ['min', 'timestamp', 'timestamp'],
    ['max', 'int64', 'int64'],
    ['first', 'string', 'string'],
    ['last', 'bool', 'bool'],
    ['top_k', 'float32', 'float32'],
  ])('of %s over %s is %s', (name, field, expected) => {
    const type = resultType(name, field === undefined ? undefined : dataType(field));
    expect(formatDataType(type)).toBe(expected);
  });
});

describe('an aggregate', () => {
  it('takes no vector, whichever it is', () => {
    for (const name of aggregateNames) expect(refuseField(name, dataType('float32[3]')), name).toBeDefined();
  });

  it.each<[AggregateName, string, string | undefined]>([
    ['sum', 'bool', undefined],
    ['sum', 'string', 'sum takes one of float32, float64, int64, bool, not string'],
    ['quantile', 'timestamp', 'quantile takes one of float32, float64, int64, bool, not timestamp'],
    ['min', 'timestamp', undefined],
    ['max', 'bool', 'max takes one of float32, float64, int64, timestamp, not bool'],
    ['last', 'string', undefined],
    ['top_k', 'float64[2]', 'top_k takes a scalar, not float64[2]'],
  ])('%s over %s: %s', (name, field, expected) => {
    expect(refuseField(name, dataType(field))).toBe(expected);
  });
});
