/** A row of a file as a write to the online store, or the reasons why it is none. */
import { MillraceError } from '../../errors.ts';
import type { FeatureView } from '../../project/project.ts';
import type { Scalar, Value } from '../../project/value.ts';
import { Refusal } from '../../project/value.ts';
import { encodeEntityKey } from '../entity-key.ts';
import { refuseEventTime } from '../event-time.ts';
import type { RowWrite } from '../online-store.ts';
import type { CellDecoder } from './cell-value.ts';
import { createCellDecoder, createEventTimeDecoder, createJoinKeyDecoder } from './cell-value.ts';
import type { FeatureFile, FileRow } from './feature-file.ts';
import type { RejectReason } from './rejects-file.ts';

/** All reasons at once, so that a file is corrected in one go. */
export type RowDecoder = (row: FileRow) => RowWrite | readonly RejectReason[];

/**
 * @param wanted the columns of the file from which the cells come: join keys, event time, features
 * @param eventTime of all rows; undefined when the cells hold it
 * @param nowMs the clock, which event times must not be far ahead of
 */
export function createRowDecoder(
  view: FeatureView,
  wanted: readonly string[],
  cells: FeatureFile['cells'],
  eventTime: number | undefined,
  nowMs: number,
): RowDecoder {
  const decoders = decodersOf(view, cells, eventTime === undefined);
  const keyCount = view.entity.keys.length;

  return (row) => {
    if (row.cells === undefined) return [{ reason: row.problem ?? 'cannot be read' }];
    const values: Value[] = [];
    const reasons: RejectReason[] = [];
    for (const [index, decode] of decoders.entries()) {
      const value = decode(row.cells[index]);
      if (!(value instanceof Refusal)) values.push(value);
      else reasons.push({ column: wanted[index] as string, reason: value.reason });
    }
    if (reasons.length > 0) return reasons;
    const keys = values.splice(0, keyCount) as Scalar[];
    const eventTimeMs = eventTime ?? (values.shift() as number);
    const refused = refuseEventTime(eventTimeMs, nowMs);
    if (refused !== undefined) {
      return [
        {
          column: eventTime === undefined ? (wanted[keyCount] as string) : view.timestampField,
          reason: refused,
        },
      ];
    }
    return toWrite(view, keys, [eventTimeMs, ...values]);
  };
}

function decodersOf(view: FeatureView, cells: FeatureFile['cells'], hasEventTime: boolean): CellDecoder[] {
  return [
    ...view.entity.keys.map(({ type }) => createJoinKeyDecoder({ scalar: type, length: undefined }, cells)),
    ...(hasEventTime ? [createEventTimeDecoder(cells)] : []),
    ...view.features.map(({ type }) => createCellDecoder(type, cells)),
  ];
}

function toWrite(
  view: FeatureView,
  keys: readonly Scalar[],
  row: RowWrite['row'],
): RowWrite | RejectReason[] {
  try {
    return { view, key: encodeEntityKey(view.entity, keys), row };
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'KEY_TOO_LONG') return [{ reason: error.message }];
    throw error;
  }
}
