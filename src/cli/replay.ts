/** `millrace replay`: a file of events into a training table, with the features that a server would have served. */
import { extname, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { fileFormats } from '../features/load/open-feature-file.ts';
import type { FileFormat } from '../features/load/open-feature-file.ts';
import { invalidProject } from '../project/report.ts';
import { loadProject } from '../project/read-project.ts';
import { requestSources } from '../serving/event-request.ts';
import type { TableFormat } from '../serving/table-format.ts';
import { compileTrainingInputs } from '../serving/training-rows.ts';
import { openEventFile } from '../streaming/event-file.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { counted } from './counted.ts';
import { findEndpoint } from './find-endpoint.ts';
import { openLoadedRows } from './replay/loaded-rows.ts';
import type { LoadedRows } from './replay/loaded-rows.ts';
import {
  compileLabel,
  compileWhere,
  failure,
  findEventType,
  findFields,
  findVersion,
  tilePlans,
} from './replay/replay-setup.ts';
import { writeTable } from './replay/write-table.ts';
import type { TableCounts } from './replay/write-table.ts';
import { addStoreOptions, failingOnUnavailable } from './store-options.ts';
import type { StoreOptions } from './store-options.ts';
import { timeArgument } from './time-argument.ts';

interface ReplayOptions extends StoreOptions {
  readonly endpoint: string;
  readonly events: string;
  readonly label: string;
  readonly out: string;
  readonly event?: string;
  readonly model?: string;
  readonly request?: ReadonlyMap<string, string>;
  readonly rows?: ReadonlyMap<string, string>;
  readonly keep?: readonly string[];
  readonly where?: string;
  readonly from?: number;
  readonly to?: number;
  readonly time: string;
  readonly format?: FileFormat;
}

export function replayCommand(): Command {
  const command = new Command('replay')
    .description(
      "Replay a file of events into a training table: for each event the model's inputs just before it, and a label.",
    )
    .requiredOption('--endpoint <name>', 'the endpoint whose requests the events stand for')
    .requiredOption('--events <file>', 'the events in the order of time: CSV, NDJSON or Parquet, also gzip')
    .requiredOption('--label <expression>', 'what came of it, from the fields of the event: "delay > 15"')
    .requiredOption('--out <file>', 'the table to write: .csv, .ndjson or .jsonl')
    .option('--event <type>', 'the type of the events, if the project has several')
    .option(
      '--model <model@version>',
      'the version to train, with or without a model.onnx (default: the one that answers)',
    )
    .option(
      '--request <field=field>',
      'the event field that holds a request field (repeatable)',
      collectPairs,
    )
    .option(
      '--rows <view=file>',
      'rows of a loaded view from a file instead of the store (repeatable)',
      collectPairs,
    )
    .option('--keep <field>', 'an event field that becomes a column (repeatable)', collect)
    .option('--where <condition>', 'only such events get a row; the others count in features')
    .option(
      '--from <time>',
      'the first time that gets a row; events before it count in features',
      timeArgument,
    )
    .option('--to <time>', 'where reading ends', timeArgument)
    .option('--time <column>', 'the column with the time, if the event type has no time field', 'time')
    .addOption(
      new Option('--format <format>', 'the format of the events, if the name does not tell').choices(
        fileFormats,
      ),
    );
  return addStoreOptions(command).action(replay);
}

async function replay(options: ReplayOptions): Promise<void> {
  const startMs = performance.now();
  if (resolve(options.out) === resolve(options.events)) throw failure('--out is the file of the events');
  const tableFormat = formatOf(options.out);
  const project = failingOnUnavailable(await loadProject(options.project, { needsModelFiles: false }));
  const endpoint = findEndpoint(project, options.endpoint);
  const model = findVersion(project, endpoint, options.model);
  const type = findEventType(project, options.event);
  const { inputs, mistakes } = await compileTrainingInputs(project, endpoint, model);
  if (inputs === undefined) throw invalidProject(mistakes);
  const metrics = createMetrics();
  metrics.close();
  const setup = {
    type,
    endpoint,
    model,
    inputs,
    metrics,
    request: requestSources(endpoint, type, options.request ?? new Map()),
    plans: tilePlans(project, type, inputs),
    label: compileLabel(type, options.label),
    where: compileWhere(type, options.where),
    keep: findFields(type, options.keep ?? [], inputs.columns),
    fromMs: options.from ?? -Infinity,
    toMs: options.to ?? Infinity,
  };
  const events = await openEventFile(options.events, type, {
    timeColumn: options.time,
    format: options.format,
  });
  let loaded: LoadedRows | undefined;
  try {
    loaded = await openLoadedRows(project, inputs.views, options.rows ?? new Map(), options);
    const counts = await writeTable({ ...setup, events, loaded: loaded.source }, options.out, tableFormat);
    process.stdout.write(summary(options, counts, performance.now() - startMs));
    process.stderr.write(warnings(options, counts, loaded));
  } finally {
    await events.close();
    await loaded?.close();
  }
}

function summary({ events, out }: ReplayOptions, counts: TableCounts, durationMs: number): string {
  const { rows, labelled, labelSum } = counts;
  const mean = labelled === 0 ? '' : `, mean of the label ${(labelSum / labelled).toFixed(4)}`;
  const seconds = (durationMs / 1000).toFixed(1);
  return `${events} -> ${out}: ${counted(counts.events, 'event')} in ${seconds} s, ${counted(rows, 'row')}${mean}\n`;
}

function warnings({ events }: ReplayOptions, { rows, labelled }: TableCounts, loaded: LoadedRows): string {
  if (rows === 0) return `warning: no event of ${events} got a row\n`;
  const lines = loaded
    .unfound()
    .map(
      ({ name }) => `warning: no row of ${name} was found; load it, or name its file: --rows ${name}=FILE\n`,
    );
  const missing = rows - labelled;
  return [...lines, missing === 0 ? '' : `warning: ${counted(missing, 'row')} without a label\n`].join('');
}

function formatOf(out: string): TableFormat {
  const format = tableFormats.get(extname(out));
  if (format !== undefined) return format;
  throw failure(`--out ${out}: the name must end in ${[...tableFormats.keys()].join(', ')}`);
}

const tableFormats: ReadonlyMap<string, TableFormat> = new Map([
  ['.csv', 'csv'],
  ['.ndjson', 'ndjson'],
  ['.jsonl', 'ndjson'],
]);

function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

function collectPairs(
  text: string,
  previous: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const [, name, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Write NAME=VALUE.');
  if (previous.has(name)) throw new InvalidArgumentError(`"${name}" is given twice.`);
  return new Map([...previous, [name, value]]);
}
