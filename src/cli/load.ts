/** `millrace load`: a file into a feature view of the online store. */
import { basename } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { MillraceError } from '../errors.ts';
import type { LoadSummary } from '../features/load/load-file.ts';
import { loadFile } from '../features/load/load-file.ts';
import type { FileFormat } from '../features/load/open-feature-file.ts';
import { fileFormats } from '../features/load/open-feature-file.ts';
import { refuseEventTime } from '../features/event-time.ts';
import type { FeatureView, Project } from '../project/project.ts';
import { loadProject } from '../project/read-project.ts';
import { suggestName } from '../project/suggestion.ts';
import { decodeScalar, Refusal } from '../project/value.ts';
import { createProgress } from './progress.ts';
import { addStoreOptions, openCommandStore } from './store-options.ts';
import type { StoreOptions } from './store-options.ts';

/** Join key or feature -> column of the file. */
type Names = ReadonlyMap<string, string>;

interface LoadCommandOptions extends StoreOptions {
  readonly view: string;
  readonly key?: Names;
  readonly column?: Names;
  readonly eventTime?: string;
  readonly eventTimeValue?: number;
  readonly format?: FileFormat;
  readonly rejects?: string;
  readonly strict?: true;
  readonly json?: true;
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

export function loadCommand(): Command {
  const command = new Command('load').description('Load a CSV, NDJSON or Parquet file into a feature view.');
  return addStoreOptions(command)
    .argument('<file>', 'the file; CSV and NDJSON may be gzip-compressed')
    .requiredOption('--view <name>', 'the feature view to load into')
    .option('--key <name=column>', 'the column that holds a join key (repeatable)', collectNames)
    .option('--column <feature=column>', 'the column that holds a feature (repeatable)', collectNames)
    .option('--event-time <column>', 'the column that holds the event time')
    .addOption(
      new Option('--event-time-value <time>', 'one event time for all rows: ISO 8601, or now')
        .argParser(parseEventTime)
        .conflicts('eventTime'),
    )
    .addOption(
      new Option('--format <format>', 'the format, if the name of the file does not tell').choices(
        fileFormats,
      ),
    )
    .option('--rejects <file>', 'where rejected rows go (default: FILE.rejects.ndjson)')
    .option('--strict', 'exit with 1 if any row is rejected')
    .option('--json', 'print the summary as JSON')
    .action(load);
}

async function load(path: string, options: LoadCommandOptions, command: Command): Promise<void> {
  const project = await loadProject(options.project);
  const view = findView(project, options.view);
  const columns = namedColumns(view, options, command);
  const store = await openCommandStore(project, options);
  const progress = createProgress(`loading ${basename(path)}`);
  try {
    const summary = await loadFile({
      file: path,
      view,
      store,
      columns,
      ...(options.eventTimeValue !== undefined && { eventTime: options.eventTimeValue }),
      ...(options.format !== undefined && { format: options.format }),
      ...(options.rejects !== undefined && { rejectsPath: options.rejects }),
      onProgress: (bytesRead, bytesTotal, rows) => progress.update(bytesRead, bytesTotal, countedRows(rows)),
    });
    progress.stop();
    if (options.json === true) process.stdout.write(`${JSON.stringify(summaryJson(path, view, summary))}\n`);
    else process.stdout.write(summaryText(path, view, summary));
    process.stderr.write(warningText(path, summary));
    process.exitCode = exitCodeOf(summary, options.strict === true);
  } finally {
    progress.stop();
    await store.close();
  }
}

function findView(project: Project, name: string): FeatureView {
  const view = project.featureViews.get(name);
  if (view !== undefined) return view;
  const suggestion = suggestName(name, project.featureViews.keys(), 'feature views');
  throw new MillraceError('UNKNOWN_FEATURE', `there is no feature view "${name}"; ${suggestion}`);
}

/** The three options that name columns as one map, each name checked to be what its option says. */
function namedColumns(view: FeatureView, options: LoadCommandOptions, command: Command): Names {
  const check = (option: string, what: string, names: Names, known: readonly string[]): void => {
    const unknown = [...names.keys()].find((name) => !known.includes(name));
    if (unknown === undefined) return;
    const suggestion = suggestName(unknown, known, `its ${what}s`);
    const sentence = `feature view "${view.name}" has no ${what} "${unknown}"; ${suggestion}`;
    command.error(`error: ${option} ${unknown}: ${sentence}`, { exitCode: EXIT_USAGE });
  };
  const { key = new Map<string, string>(), column = new Map<string, string>(), eventTime } = options;
  check('--key', 'join key', key, namesOf(view.entity.keys));
  check('--column', 'feature', column, namesOf(view.features));
  const columns = new Map([...key, ...column]);
  if (eventTime !== undefined) columns.set(view.timestampField, eventTime);
  return columns;
}

function namesOf(named: readonly { readonly name: string }[]): string[] {
  return named.map(({ name }) => name);
}

function collectNames(text: string, previous: Names = new Map()): Names {
  const [, name, column] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || column === undefined) throw new InvalidArgumentError('Write NAME=COLUMN.');
  if (previous.has(name)) throw new InvalidArgumentError(`"${name}" is given twice.`);
  return new Map([...previous, [name, column]]);
}

function parseEventTime(text: string): number {
  if (text === 'now') return Date.now();
  const time = decodeScalar('timestamp', text);
  if (time instanceof Refusal)
    throw new InvalidArgumentError('Write now, or ISO 8601 such as 2001-03-09T14:05:00Z.');
  const refused = refuseEventTime(time as number, Date.now());
  if (refused !== undefined) throw new InvalidArgumentError(`The event time ${refused}.`);
  return time as number;
}

/** Nothing that was loaded is a failure, whatever the reason. */
function exitCodeOf({ written, older, rejected }: LoadSummary, isStrict: boolean): number {
  if (written + older === 0) return EXIT_FAILED;
  return isStrict && rejected > 0 ? EXIT_FAILED : 0;
}

function summaryText(path: string, view: FeatureView, summary: LoadSummary): string {
  const { rows, written, older, rejected, ignoredColumns, durationMs } = summary;
  const parts = [`${counted(written)} written`];
  if (older > 0) parts.push(`${counted(older)} older than what is stored`);
  if (rejected > 0) parts.push(`${counted(rejected)} rejected`);
  const seconds = (durationMs / 1000).toFixed(1);
  const ignored = ignoredColumns.length > 0 ? `columns not in the view: ${ignoredColumns.join(', ')}\n` : '';
  return `${path} -> ${view.name}: ${countedRows(rows)} in ${seconds} s, ${parts.join(', ')}\n${ignored}`;
}

function warningText(
  path: string,
  { rows, rejected, firstReject, counts, rejectsPath }: LoadSummary,
): string {
  if (rows === 0) return `warning: ${path} has no rows\n`;
  if (firstReject === undefined) return '';
  const [first] = firstReject.reasons;
  const example = `${counts} ${firstReject.line}: ${first?.column ?? 'the row'} ${first?.reason}`;
  return `warning: ${countedRows(rejected)} rejected, see ${rejectsPath}; the first, ${example}\n`;
}

function summaryJson(path: string, view: FeatureView, summary: LoadSummary): Record<string, unknown> {
  return {
    file: path,
    view: view.name,
    rows: summary.rows,
    written: summary.written,
    older: summary.older,
    rejected: summary.rejected,
    rejects_file: summary.rejectsPath ?? null,
    ignored_columns: summary.ignoredColumns,
    duration_ms: Math.round(summary.durationMs),
  };
}

function countedRows(count: number): string {
  return `${counted(count)} row${count === 1 ? '' : 's'}`;
}

function counted(count: number): string {
  return count.toLocaleString('en-US');
}
