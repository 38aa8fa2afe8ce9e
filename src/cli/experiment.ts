/** `millrace experiment`: what experiments, canaries and bandits have shown, and how large they have to be. */
import { Command, InvalidArgumentError } from 'commander';
import type { ExperimentDefinition } from '../experiments/definition.ts';
import { jsonText } from '../project/json-text.ts';
import { loadProject } from '../project/read-project.ts';
import { countArgument } from './count-argument.ts';
import { readDefinitions } from './experiment/definitions-in-effect.ts';
import { formatPercent } from './experiment/figures.ts';
import { powerCommand } from './experiment/power.ts';
import { reportJson } from './experiment/report-json.ts';
import { reportText } from './experiment/report-text.ts';
import { reportOf, writeFailure } from './experiment/run-report.ts';
import { addDataOption, addProjectOption, addRedisOption, storePlace } from './store-options.ts';
import type { StoreOptions } from './store-options.ts';
import { formatTable } from './table.ts';
import { timeArgument } from './time-argument.ts';
import { writeWhole } from './whole-file.ts';

interface ReportCommandOptions extends Pick<StoreOptions, 'project' | 'data' | 'redis'> {
  readonly from?: number;
  readonly to?: number;
  readonly policyVersion?: readonly number[];
  readonly withBots?: true;
  readonly against?: string;
  readonly json?: true;
  readonly html?: string;
}

export function experimentCommand(): Command {
  const report = new Command('report')
    .description(
      'What is known of an experiment, a canary or a bandit, from the logs. Runs beside servers, too.',
    )
    .argument('<name>', 'its name; without one of its own, it has that of the endpoint')
    .option('--from <time>', 'only units that were first exposed at this time or later', timeArgument)
    .option('--to <time>', 'only what happened before this time', timeArgument)
    .option(
      '--policy-version <number...>',
      'only exposures under these versions of the rollout',
      collectVersions,
    )
    .option('--with-bots', 'with units that say that they are no persons')
    .option('--against <name>', 'the only other experiment to look for collisions with (default: all)')
    .option('--json', 'print the report as JSON')
    .option('--html <file>', 'write the report as one HTML page, with charts')
    .action(printReport);
  const list = new Command('list')
    .description('Print the experiments, canaries and bandits that split traffic now.')
    .option('--json', 'print a line of JSON for each')
    .action(printList);
  return new Command('experiment')
    .description('Experiments, canaries and bandits: what they have shown, and how large they have to be.')
    .addCommand(addRedisOption(addDataOption(addProjectOption(report))))
    .addCommand(addRedisOption(addDataOption(addProjectOption(list))))
    .addCommand(powerCommand());
}

function collectVersions(text: string, previous: readonly number[] = []): number[] {
  return [...previous, countArgument(text)];
}

async function printReport(name: string, options: ReportCommandOptions): Promise<void> {
  const { from = -Infinity, to = Infinity, policyVersion: version, html } = options;
  if (from >= to) throw new InvalidArgumentError('--from must be before --to.');
  const project = await loadProject(options.project, { needsModelFiles: false });
  const report = await reportOf(project, {
    ...options,
    name,
    filter: {
      fromMs: from,
      toMs: to,
      versions: version === undefined ? undefined : new Set(version),
      withBots: options.withBots === true,
      against: options.against,
    },
  });
  if (html !== undefined) {
    const { reportHtml } = await import('./experiment/report-html.ts');
    await writeWhole(html, writeFailure, async (file) => file.writeFile(reportHtml(report)));
  }
  process.stdout.write(options.json === true ? `${jsonText(reportJson(report))}\n` : reportText(report));
}

interface ListOptions extends Pick<StoreOptions, 'project' | 'data' | 'redis'> {
  readonly json?: true;
}

async function printList(options: ListOptions): Promise<void> {
  const project = await loadProject(options.project, { needsModelFiles: false });
  const definitions = await readDefinitions(project, storePlace(options));
  if (options.json === true) {
    for (const definition of definitions) process.stdout.write(`${jsonText(listJson(definition))}\n`);
    return;
  }
  process.stdout.write(
    definitions.length === 0 ? 'No endpoint splits its traffic.\n' : listText(definitions),
  );
}

function listText(definitions: readonly ExperimentDefinition[]): string {
  const rows = definitions.map(({ kind, name, endpoint, unit, arms, metrics }) => [
    name,
    kind,
    endpoint,
    unit === undefined ? 'each request' : `${unit.kind} ${unit.name}`,
    arms.map(({ variant, share }) => `${variant} ${formatPercent(share)}`).join(', '),
    metrics.map((metric) => metric.name).join(', '),
  ]);
  const ofFile = definitions.filter(isOfFile).map(({ name }) => name);
  const source = ofFile.length === 0 ? '' : `\nfrom the project file: ${ofFile.join(', ')}\n`;
  return `${formatTable([['name', 'kind', 'endpoint', 'unit', 'arms', 'metrics'], ...rows])}${source}`;
}

/** No server has started it yet, as far as is known. */
function isOfFile({ versions }: ExperimentDefinition): boolean {
  return versions === undefined;
}

function listJson(definition: ExperimentDefinition): Parameters<typeof jsonText>[0] {
  const { kind, name, endpoint, unit, arms, metrics, alpha } = definition;
  return {
    name,
    kind,
    endpoint,
    unit: unit === undefined ? null : { [unit.kind]: unit.name },
    arms: arms.map(({ variant, share }) => ({ variant, share })),
    metrics: metrics.map((metric) => metric.name),
    alpha,
    from_project_file: isOfFile(definition),
  };
}
