/**
 * A file of events of one type, as a CSV, NDJSON or Parquet file of their fields, chunk by chunk. An event that does not
 * fit its type is an error that names the line: what is computed from a file must not silently miss a part of it.
 */
import { MillraceError } from '../errors.ts';
import { createCellDecoder, createEventTimeDecoder } from '../features/load/cell-value.ts';
import type { CellDecoder } from '../features/load/cell-value.ts';
import type { FeatureFile, FileRow } from '../features/load/feature-file.ts';
import { openFeatureFile } from '../features/load/open-feature-file.ts';
import type { FileFormat } from '../features/load/open-feature-file.ts';
import type { EventType } from '../project/project.ts';
import { Refusal } from '../project/value.ts';
import type { Value } from '../project/value.ts';

export interface FileEvent {
  /** For messages: `flights.csv, line 17`. */
  readonly place: string;
  readonly timeMs: number;
  /** By index of the event's fields. */
  readonly values: readonly Value[];
}

export interface EventFile {
  readonly bytesTotal: number;
  bytesRead(): number;
  /**
   * The events, once, in the order of the file.
   * @throws MillraceError LOAD_FAILED, REPLAY_FAILED
   */
  chunks(): AsyncIterable<readonly FileEvent[]>;
  close(): Promise<void>;
}

export interface EventFileOptions {
  /** The column with the time of an event whose type has no time field. */
  readonly timeColumn: string;
  /** Undefined: by the extension of the name. */
  readonly format?: FileFormat | undefined;
}

interface Column {
  readonly name: string;
  readonly decode: CellDecoder;
  readonly isOptional: boolean;
}

/** @throws MillraceError LOAD_FAILED where the file cannot be read, REPLAY_FAILED where it lacks a field */
export async function openEventFile(
  path: string,
  type: EventType,
  { timeColumn, format }: EventFileOptions,
): Promise<EventFile> {
  const file = await openFeatureFile(path, format);
  try {
    const columns = columnsOf(type, file, timeColumn);
    // Of NDJSON only the first lines are known, and an optional field may first be in a later one.
    const isOpen = file.cells === 'values' && file.counts === 'line';
    const missing = columns.filter(({ name }) => !file.columns.includes(name));
    const needed = missing.find(({ isOptional }) => !isOptional);
    if (needed !== undefined) throw lacksColumn(path, type, needed.name, file);
    const wanted = isOpen ? columns : columns.filter((column) => !missing.includes(column));
    const decode = eventDecoder(path, type, wanted, file.counts);
    return {
      bytesTotal: file.bytesTotal,
      bytesRead: () => file.bytesRead(),
      async *chunks() {
        for await (const rows of file.chunks(wanted.map(({ name }) => name))) yield rows.map(decode);
      },
      close: async () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function columnsOf(type: EventType, { cells }: FeatureFile, timeColumn: string): Column[] {
  const time = createEventTimeDecoder(cells);
  const fields = type.fields.map((field): Column => ({
    name: field.name,
    decode: field === type.timeField ? time : createCellDecoder(field.type, cells),
    isOptional: field.optional,
  }));
  if (type.timeField !== undefined) return fields;
  return [...fields, { name: timeColumn, decode: time, isOptional: false }];
}

function lacksColumn(path: string, type: EventType, name: string, { columns }: FeatureFile): MillraceError {
  const isField = type.fields.some((field) => field.name === name);
  const what = isField ? `a field of "${type.name}" events` : 'the time of the events';
  const remedy = isField ? '' : '; name the column that holds it with --time COLUMN';
  return new MillraceError(
    'REPLAY_FAILED',
    `${path} has no column "${name}", ${what}; its columns are ${columns.join(', ')}${remedy}`,
  );
}

function eventDecoder(
  path: string,
  type: EventType,
  columns: readonly Column[],
  counts: FeatureFile['counts'],
): (row: FileRow) => FileEvent {
  const timeName = type.timeField?.name ?? columns.at(-1)?.name;
  const indexes = columns.map(({ name }) => type.fields.findIndex((field) => field.name === name));
  return (row) => {
    const place = `${path}, ${counts} ${row.number}`;
    if (row.cells === undefined) throw badEvent(place, `the row ${row.problem ?? 'cannot be read'}`);
    const values = new Array<Value>(type.fields.length).fill(null);
    let timeMs = 0;
    columns.forEach(({ name, decode, isOptional }, i) => {
      const value = decode(row.cells?.[i]);
      if (value instanceof Refusal) throw badEvent(place, `${name} ${value.reason}`);
      if (value === null && !isOptional)
        throw badEvent(place, `${name} is missing, and it is not an optional field of "${type.name}" events`);
      const index = indexes[i] as number;
      if (index >= 0) values[index] = value;
      if (name === timeName) timeMs = value as number;
    });
    return { place, timeMs, values };
  };
}

function badEvent(place: string, problem: string): MillraceError {
  return new MillraceError('REPLAY_FAILED', `${place}: ${problem}`);
}
