/** `millrace check`: everything that could stop the server or a request, found before. */
import { Command } from 'commander';
import type { TensorSpec } from '../inference/session.ts';
import type { EventType, FeatureView, Mistake, Project } from '../project/project.ts';
import { formatDataType } from '../project/data-type.ts';
import { formatDuration } from '../project/duration.ts';
import { overlaps } from '../project/rollout-overlaps.ts';
import { formatMistake } from '../project/read-project.ts';
import { definitionsOf } from '../experiments/definition.ts';
import { checkProject } from '../serving/check-project.ts';
import type { CheckedInput, ProjectCheck, TensorModel } from '../serving/check-project.ts';
import { formatPercent } from './experiment/figures.ts';
import { formatTable } from './table.ts';

interface CheckOptions {
  readonly project: string;
  readonly json?: boolean;
}

export function checkCommand(): Command {
  return new Command('check')
    .description('Check a project: its files, expressions and models. Exits with 1 if there is a mistake.')
    .option('--project <dir>', 'the project folder, with millrace.yaml', '.')
    .option('--json', 'print the result as JSON')
    .action(check);
}

async function check(options: CheckOptions): Promise<void> {
  const result = await checkProject(options.project);
  const { mistakes } = result;
  if (mistakes.length > 0) process.exitCode = 1;
  if (options.json === true) process.stdout.write(`${JSON.stringify(asJson(result), null, 2)}\n`);
  else if (mistakes.length === 0) process.stdout.write(summary(result));
  else process.stderr.write(mistakeText(mistakes) + warningText(result));
}

/** Without a summary: of what is left of a broken project, it would mislead. */
function mistakeText(mistakes: readonly Mistake[]): string {
  const count = mistakes.length === 1 ? '1 mistake' : `${mistakes.length} mistakes`;
  return `${count}:\n${mistakes.map((mistake) => `  ${formatMistake(mistake)}\n`).join('')}`;
}

function warningText({ warnings }: ProjectCheck): string {
  return warnings.map((warning) => `warning: ${warning}\n`).join('');
}

function summary(result: ProjectCheck): string {
  const { project, inputs, tensorModels, warnings } = result;
  return [
    `project ${project.name} (${project.dir})\n`,
    section('entities', ['entity', 'join keys'], entityRows(project)),
    section('events', ['event', 'time', 'fields'], [...project.eventTypes.values()].map(eventRow)),
    section(
      'feature views',
      ['view', 'entity', 'max age', 'features'],
      [...project.featureViews.values()].map(viewRow),
    ),
    section('endpoints', ['endpoint', 'variant', 'model', 'request'], endpointRows(project)),
    ...rolloutText(project),
    ...modelText(inputs, tensorModels),
    ...(warnings.length === 0 ? [] : [warningText(result)]),
  ].join('\n');
}

function section(
  title: string,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  if (rows.length === 0) return `${title}: none\n`;
  return `${title}\n${formatTable([head, ...rows], '  ')}`;
}

function entityRows(project: Project): string[][] {
  return [...project.entities.values()].map(({ name, keys }) => [
    name,
    keys.map((key) => `${key.name}: ${key.type}`).join(', '),
  ]);
}

function eventRow({ name, timeField, fields }: EventType): string[] {
  const of = fields.map(
    (field) => `${field.name}: ${formatDataType(field.type)}${field.optional ? ' (optional)' : ''}`,
  );
  return [name, timeField?.name ?? 'beside its fields', of.join(', ')];
}

function viewRow(view: FeatureView): (string | number)[] {
  const maxAge = view.ttlMs === undefined ? 'none' : formatDuration(view.ttlMs);
  return [view.name, view.entity.name, maxAge, view.features.map(({ name }) => name).join(', ')];
}

function endpointRows(project: Project): string[][] {
  return [...project.endpoints.values()].flatMap(({ name, request, variants }) =>
    variants.map((variant) => [
      name,
      variant.name,
      `${variant.model.model}@${variant.model.version}`,
      request.map((field) => `${field.name}: ${formatDataType(field.type)}`).join(', '),
    ]),
  );
}

/** How the traffic is split where there is something to split, and where experiments get in each other's way. */
function rolloutText(project: Project): string[] {
  const rows = definitionsOf(project).map(({ name, kind, endpoint, arms }) => {
    const shares = arms.map(({ variant, share }) => `${variant} ${formatPercent(share)}`);
    return [endpoint, kind, name, shares.join(', ')];
  });
  if (rows.length === 0) return [];
  const table = section('rollouts', ['endpoint', 'policy', 'name', 'traffic'], rows);
  const warnings = warningsOf(project).map((warning) => `  warning: ${warning}\n`);
  return [table + warnings.join('')];
}

function warningsOf({ endpoints }: Project): string[] {
  const running = [...endpoints.values()].map(({ name, ...rest }) => ({ endpoint: name, ...rest }));
  return overlaps(running).map(
    ({ endpoints: [, endpoint], path, message }) => `${endpoint}: ${path} ${message}`,
  );
}

function inputRow(input: CheckedInput): (string | number)[] {
  const { model, version, endpoint, type, slots, expressions } = input;
  return [`${model}@${version}`, endpoint, input.input, type, slots, expressions];
}

function modelText(inputs: readonly CheckedInput[], tensorModels: readonly TensorModel[]): string[] {
  const head = ['model', 'endpoint', 'input', 'type', 'slots', 'expressions'];
  const used = section('models', head, inputs.map(inputRow));
  if (tensorModels.length === 0) return [used];
  const title = 'models without an endpoint, which serve tensors';
  const others = section(title, ['model', 'inputs', 'outputs'], tensorModels.map(tensorModelRow));
  return inputs.length === 0 ? [others] : [used, others];
}

function tensorModelRow({ model, version, inputs, outputs }: TensorModel): string[] {
  return [`${model}@${version}`, inputs.map(tensorText).join(', '), outputs.map(tensorText).join(', ')];
}

/** An open dimension is a question mark. */
function tensorText({ name, elementType, shape }: TensorSpec): string {
  return `${name}: ${elementType}[${shape.map((dim) => dim ?? '?').join(', ')}]`;
}

function asJson({ project, mistakes, inputs, tensorModels, warnings }: ProjectCheck): unknown {
  return {
    project: project.name,
    entities: [...project.entities.keys()],
    events: [...project.eventTypes.keys()],
    feature_views: [...project.featureViews.keys()],
    models: [...project.models.values()].flatMap((model) =>
      [...model.versions.keys()].map((version) => `${model.name}@${version}`),
    ),
    endpoints: [...project.endpoints.keys()],
    inputs,
    tensor_models: tensorModels.map(({ inputs: taken, outputs, ...names }) => ({
      ...names,
      inputs: taken.map(tensorJson),
      outputs: outputs.map(tensorJson),
    })),
    warnings: [...warningsOf(project), ...warnings],
    mistakes,
  };
}

/** @returns with -1 for an open dimension, as in the metadata of a served model */
function tensorJson({ name, elementType, shape }: TensorSpec): unknown {
  return { name, type: elementType, shape: shape.map((dim) => dim ?? -1) };
}
