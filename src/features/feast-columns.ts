/** Columns as Feast's calls send them: `{"name": [value of row 0, value of row 1, …], …}`, all of one length. */
import { isRecord } from '../project/json-record.ts';
import type { DataType } from '../project/data-type.ts';
import type { Value } from '../project/value.ts';
import { decodeValue, Refusal } from '../project/value.ts';
import type { ProblemList } from '../project/problem-list.ts';
import { shortName, tooManyRows } from '../project/problem-list.ts';

export interface Columns {
  /** Path of the object in the body. */
  readonly path: string;
  readonly rowCount: number;
  /** By name, in the order of the body. */
  readonly byName: ReadonlyMap<string, readonly unknown[]>;
}

/** @throws MillraceError TOO_MANY_ROWS */
export function readColumns(input: unknown, path: string, rowsMax: number, problems: ProblemList): Columns {
  const byName = new Map<string, readonly unknown[]>();
  if (!isRecord(input)) {
    problems.add(
      path,
      `${input === undefined ? 'is missing' : 'is no object'}; give an array of values per column`,
    );
    return { path, rowCount: 0, byName };
  }
  let first: { readonly name: string; readonly length: number } | undefined;
  for (const [name, values] of Object.entries(input)) {
    if (!Array.isArray(values)) {
      problems.add(`${path}.${shortName(name)}`, 'must be an array with one value per row');
      // Known from here on, so that it is not called missing too.
      byName.set(name, []);
      continue;
    }
    if (values.length > rowsMax) throw tooManyRows(values.length, rowsMax);
    byName.set(name, values);
    first ??= { name, length: values.length };
    if (values.length === first.length) continue;
    const lengths = `has ${values.length} values, but ${path}.${shortName(first.name)} has ${first.length}`;
    problems.add(`${path}.${shortName(name)}`, lengths);
  }
  return { path, rowCount: first?.length ?? 0, byName };
}

/**
 * The decoded values of one column. A missing column and bad values become problems; their places hold null.
 * @param nullable whether null is a value; a key and an event time must be there
 */
export function decodeColumn(
  columns: Columns,
  column: { readonly name: string; readonly type: DataType; readonly nullable: boolean },
  problems: ProblemList,
): Value[] {
  const path = `${columns.path}.${column.name}`;
  const inputs = columns.byName.get(column.name);
  if (inputs === undefined) {
    problems.add(path, 'is missing');
    return [];
  }
  const values: Value[] = [];
  for (let i = 0; i < inputs.length && !problems.isFull(); i++) {
    const input = inputs[i];
    const value = input === null && column.nullable ? null : decodeValue(column.type, input);
    if (value instanceof Refusal) problems.add(`${path}[${i}]`, value.reason);
    values.push(value instanceof Refusal ? null : value);
  }
  return values;
}
