/** Which types the aggregates of event fields take, and what they give. */
import type { DataType, ScalarName } from './data-type.ts';
import { formatDataType } from './data-type.ts';
import type { AggregateName } from './project.ts';

const numbers: readonly ScalarName[] = ['float32', 'float64', 'int64'];
const numbersAndBools: readonly ScalarName[] = [...numbers, 'bool'];
const numbersAndTimes: readonly ScalarName[] = [...numbers, 'timestamp'];

const float64: DataType = { scalar: 'float64', length: undefined };
const int64: DataType = { scalar: 'int64', length: undefined };

/** Undefined if the aggregate takes such a field; else a sentence that says what it takes. */
export function refuseField(name: AggregateName, type: DataType): string | undefined {
  const takes = takenBy(name);
  if (type.length === undefined && (takes === undefined || takes.includes(type.scalar))) return undefined;
  const wanted = takes === undefined ? 'a scalar' : `one of ${takes.join(', ')}`;
  return `${name} takes ${wanted}, not ${formatDataType(type)}`;
}

/** Undefined = any scalar. */
function takenBy(name: AggregateName): readonly ScalarName[] | undefined {
  switch (name) {
    case 'sum':
    case 'mean':
    case 'variance':
    case 'quantile':
      return numbersAndBools;
    case 'min':
    case 'max':
      return numbersAndTimes;
    case 'count':
    case 'first':
    case 'last':
    case 'count_distinct':
    case 'top_k':
      return undefined;
  }
}

/** @param field undefined for a count of events */
export function resultType(name: AggregateName, field: DataType | undefined): DataType {
  switch (name) {
    case 'count':
    case 'count_distinct':
      return int64;
    case 'sum':
    case 'mean':
    case 'variance':
    case 'quantile':
      return float64;
    case 'min':
    case 'max':
    case 'first':
    case 'last':
    case 'top_k':
      if (field === undefined) throw new Error(`${name} needs a field`);
      return field;
  }
}
