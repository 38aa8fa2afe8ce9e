/** Which fields the aggregates take and what they give, as the project reader sees to it. */
import type { DataType, ScalarName } from '../../src/project/data-type.ts';
import type { AggregateName, EventField } from '../../src/project/project.ts';

const numbers: readonly ScalarName[] = ['float32', 'float64', 'int64'];

export function takesField(name: AggregateName, { type }: EventField): boolean {
  if (['sum', 'mean', 'variance', 'quantile'].includes(name))
    return [...numbers, 'bool'].includes(type.scalar);
  return ['min', 'max'].includes(name) ? [...numbers, 'timestamp'].includes(type.scalar) : true;
}

/** @param field undefined for a count of events */
export function resultType(name: AggregateName, field: EventField | undefined): DataType {
  const isOfField = ['min', 'max', 'first', 'last', 'top_k'].includes(name);
  if (isOfField && field !== undefined) return field.type;
  const isCount = name === 'count' || name === 'count_distinct';
  return { scalar: isCount ? 'int64' : 'float64', length: undefined };
}
