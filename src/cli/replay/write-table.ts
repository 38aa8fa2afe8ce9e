/** Writes a training table. */
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { createTableText } from '../../serving/table-format.ts';
import type { TableFormat } from '../../serving/table-format.ts';
import { replayEvents, trainingColumns } from '../../serving/training-table.ts';
import type { TrainingTableOptions } from '../../serving/training-table.ts';
import { counted } from '../counted.ts';
import { createProgress } from '../progress.ts';
import { writeWhole } from '../whole-file.ts';
import { failure } from './replay-setup.ts';

export interface TableCounts {
  readonly events: number;
  readonly rows: number;
  /** Rows that have a label. */
  readonly labelled: number;
  readonly labelSum: number;
}

/** @throws MillraceError LOAD_FAILED, REPLAY_FAILED, STORE_FAILED */
export async function writeTable(
  table: TrainingTableOptions,
  out: string,
  format: TableFormat,
): Promise<TableCounts> {
  return writeWhole(out, failure, async (file) => writeRows(table, file, format, basename(out)));
}

async function writeRows(
  table: TrainingTableOptions,
  file: FileHandle,
  format: TableFormat,
  name: string,
): Promise<TableCounts> {
  const { events } = table;
  const text = createTableText(format, trainingColumns(table));
  const counts = { events: 0, rows: 0, labelled: 0, labelSum: 0 };
  const progress = createProgress(`writing ${name}`);
  try {
    await file.appendFile(text.head);
    for await (const chunk of replayEvents(table)) {
      counts.events += chunk.events;
      counts.rows += chunk.rows.length;
      for (const { label } of chunk.rows) {
        counts.labelled += label === null ? 0 : 1;
        counts.labelSum += Number(label ?? 0);
      }
      await file.appendFile(chunk.rows.map(({ cells }) => text.line(cells)).join(''));
      progress.update(events.bytesRead(), events.bytesTotal, counted(counts.events, 'event'));
    }
  } finally {
    progress.stop();
  }
  return counts;
}
