/** `millrace predictions`: what was answered, and what came of it, out of the prediction log. */
import { basename } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { loadProject } from '../project/read-project.ts';
import { countArgument } from './count-argument.ts';
import { counted } from './counted.ts';
import { findEndpoint } from './find-endpoint.ts';
import { withPredictions } from './open-predictions.ts';
import { writeFailure, writeLines } from './predictions/export-lines.ts';
import type { Exported, PredictionFilter } from './predictions/export-lines.ts';
import { openStandardOutput } from './predictions/standard-output.ts';
import { createProgress } from './progress.ts';
import { addDataOption, addProjectOption, storePlace } from './store-options.ts';
import type { StoreOptions } from './store-options.ts';
import { timeArgument } from './time-argument.ts';
import { writeWhole } from './whole-file.ts';

interface ExportOptions extends Pick<StoreOptions, 'project' | 'data'> {
  readonly out?: string;
  readonly endpoint?: string;
  readonly from?: number;
  readonly to?: number;
  readonly limit?: number;
  readonly withFeedback?: true;
}

export function predictionsCommand(): Command {
  const command = new Command('export')
    .description(
      'Write the logged predictions, each with the feedback that came for it, as a line of JSON. Runs beside servers, too.',
    )
    .option('--out <file>', 'the file to write (default: standard output)')
    .option('--endpoint <name>', 'only predictions of this endpoint')
    .option('--from <time>', 'only predictions of this time or later', timeArgument)
    .option('--to <time>', 'only predictions before this time', timeArgument)
    .option('--limit <count>', 'how many are written at most', countArgument)
    .option('--with-feedback', 'only predictions for which feedback came');
  return new Command('predictions')
    .description('Predictions that were logged, and what came of them.')
    .addCommand(addDataOption(addProjectOption(command)).action(exportPredictions));
}

async function exportPredictions(options: ExportOptions): Promise<void> {
  const { out, endpoint, from = -Infinity, to = Infinity, limit = Infinity } = options;
  if (from >= to) throw new InvalidArgumentError('--from must be before --to.');
  const project = await loadProject(options.project, { needsModelFiles: false });
  const filter: PredictionFilter = {
    endpoint: endpoint === undefined ? undefined : findEndpoint(project, endpoint).name,
    fromMs: from,
    toMs: to,
    limit,
    withFeedback: options.withFeedback === true,
  };
  const { dataDir } = storePlace(options);
  await withPredictions(project, dataDir, async (log) => {
    if (out === undefined) {
      const exported = await writeLines(log, filter, openStandardOutput());
      if (exported.end !== 'closed') process.stderr.write(`${notes(exported)}${summary(exported)}`);
      return;
    }
    const exported = await writeWhole(out, writeFailure, async (file) => {
      const progress = createProgress(`writing ${basename(out)}`);
      const write = async (text: string): Promise<boolean> => file.appendFile(text).then(() => true);
      try {
        return await writeLines(log, filter, write, (done, total, count) =>
          progress.update(done, total, counted(count, 'prediction')),
        );
      } finally {
        progress.stop();
      }
    });
    process.stderr.write(notes(exported));
    process.stdout.write(`${out}: ${summary(exported)}`);
  });
}

function summary({ predictions, withFeedback }: Exported): string {
  return `${counted(predictions, 'prediction')}, ${withFeedback.toLocaleString('en-US')} with feedback\n`;
}

/** What is not in the lines, of a log that was read to its end. */
function notes({ end, unmatched, unreadable, problem }: Exported): string {
  const damaged =
    unreadable === 0 ? '' : `warning: ${counted(unreadable, 'record')} cannot be read: ${problem}\n`;
  if (end !== 'all' || unmatched === 0) return damaged;
  return `${damaged}note: for ${counted(unmatched, 'report')} of feedback the log has no prediction, or no such row\n`;
}
