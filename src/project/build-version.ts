/** One model version, put together from the descriptions that speak about it. */
import { formatPath } from './path.ts';
import type {
  Entity,
  EntityBinding,
  Location,
  ModelInput,
  ModelOutput,
  ModelVersion,
  SourceExpression,
} from './project.ts';
import type { BindingSpec, ModelSpec } from './project-schema.ts';
import type { Description } from './read-description.ts';
import type { Report } from './report.ts';
import { isIncomplete, locate } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';

const ROWS_MAX = 256;
const QUEUE_ROWS_MAX = 65_536;

/** A version without a description, as it serves tensors. */
export function undescribedVersion(
  { model, version, onnxPath }: Omit<VersionFiles, 'descriptions'>,
  location: Location,
): ModelVersion {
  return {
    model,
    version,
    onnxPath,
    isDescribed: false,
    bindings: [],
    inputs: [],
    outputs: undefined,
    batching: { rowsMax: ROWS_MAX, delayMsMax: 0 },
    execution: 'auto',
    workers: undefined,
    queueRowsMax: QUEUE_ROWS_MAX,
    timeoutMs: undefined,
    warmup: true,
    location,
  };
}

export interface VersionFiles {
  readonly model: string;
  readonly version: string;
  readonly onnxPath: string;
  /** The version's own description and the model's, as far as they exist: the first that has a key decides it. */
  readonly descriptions: readonly Description<ModelSpec>[];
}

/** The version, or undefined when its entities or inputs have a mistake: without them nothing more can be checked. */
export function buildVersion(
  { model, version, onnxPath, descriptions }: VersionFiles,
  entities: ReadonlyMap<string, Entity>,
  report: Report,
): ModelVersion | undefined {
  const fromKey = (key: keyof ModelSpec): Description<ModelSpec> | undefined =>
    descriptions.find(({ source }) => Object.hasOwn(source.data, key));
  const [main] = descriptions;
  if (main === undefined) throw new Error(`version ${version} of ${model} has no description`);

  const bindings = buildBindings(fromKey('entities'), entities, report);
  const inputs = buildInputs(fromKey('inputs'), main, report);
  if (bindings === undefined || inputs === undefined) return undefined;
  const batching = fromKey('batching')?.spec.batching;
  return {
    model,
    version,
    onnxPath,
    isDescribed: true,
    bindings,
    inputs,
    outputs: buildOutputs(fromKey('outputs')),
    batching: { rowsMax: batching?.rows_max ?? ROWS_MAX, delayMsMax: batching?.delay_ms_max ?? 0 },
    execution: fromKey('execution')?.spec.execution ?? 'auto',
    workers: fromKey('workers')?.spec.workers,
    queueRowsMax: fromKey('queue_rows_max')?.spec.queue_rows_max ?? QUEUE_ROWS_MAX,
    timeoutMs: fromKey('timeout_ms')?.spec.timeout_ms,
    warmup: fromKey('warmup')?.spec.warmup ?? true,
    location: locate(main.source, []),
  };
}

function buildBindings(
  from: Description<ModelSpec> | undefined,
  entities: ReadonlyMap<string, Entity>,
  report: Report,
): EntityBinding[] | undefined {
  if (from === undefined) return [];
  const { source } = from;
  let isSound = !report.isTouched(source, ['entities']);
  const bindings: EntityBinding[] = [];
  for (const [name, spec] of Object.entries(from.spec.entities ?? {})) {
    const entity = entities.get(spec.entity);
    const isBound = entity !== undefined && checkKeys(name, spec, entity, source, report);
    if (isBound) {
      const keyFields = entity.keys.map((key) => spec.keys[key.name] ?? '');
      bindings.push({ name, entity, keyFields, location: locate(source, ['entities', name]) });
      continue;
    }
    isSound = false;
    if (entity === undefined) reportUnknownEntity(name, spec, entities, source, report);
  }
  return isSound ? bindings : undefined;
}

function reportUnknownEntity(
  binding: string,
  { entity }: BindingSpec,
  entities: ReadonlyMap<string, Entity>,
  source: SourceFile,
  report: Report,
): void {
  if (isIncomplete(report.incomplete, formatPath(['entities', entity]))) {
    if (source.part !== undefined) report.markIncomplete(source.part);
    return;
  }
  const suggestion = suggestName(entity, entities.keys(), 'entities');
  report.add(source, ['entities', binding, 'entity'], `there is no entity "${entity}"`, suggestion);
}

/** A binding gives each join key of its entity, and nothing else. */
function checkKeys(
  name: string,
  spec: BindingSpec,
  entity: Entity,
  source: SourceFile,
  report: Report,
): boolean {
  const path = ['entities', name, 'keys'];
  const known = entity.keys.map((key) => key.name);
  const unknown = Object.keys(spec.keys).filter((key) => !known.includes(key));
  const missing = known.filter((key) => !Object.hasOwn(spec.keys, key));
  for (const key of unknown) {
    const message = `is not a join key of the entity ${entity.name}`;
    report.add(source, [...path, key], message, suggestName(key, known, 'join keys'));
  }
  // A misspelt key is one mistake, not two.
  if (unknown.length === 0 && missing.length > 0 && !report.isTouched(source, path)) {
    report.add(source, path, `lacks the join key ${missing.join(', ')} of the entity ${entity.name}`);
  }
  return unknown.length === 0 && missing.length === 0;
}

function buildInputs(
  from: Description<ModelSpec> | undefined,
  main: Description<ModelSpec>,
  report: Report,
): ModelInput[] | undefined {
  if (from === undefined) {
    report.add(main.source, ['inputs'], 'is missing: it says which expressions fill the inputs of the model');
    return undefined;
  }
  if (report.isTouched(from.source, ['inputs'])) return undefined;
  return Object.entries(from.spec.inputs ?? {}).map(([name, texts]) => {
    const path = ['inputs', name];
    const at = (text: string, ...index: number[]): SourceExpression => ({
      text,
      location: locate(from.source, [...path, ...index]),
    });
    const expressions = typeof texts === 'string' ? [at(texts)] : texts.map((text, index) => at(text, index));
    return { name, expressions, location: locate(from.source, path) };
  });
}

function buildOutputs(from: Description<ModelSpec> | undefined): ModelOutput[] | undefined {
  if (from?.spec.outputs === undefined) return undefined;
  return Object.entries(from.spec.outputs).map(([field, { tensor, column }]) => ({
    field,
    tensor,
    column,
    location: locate(from.source, ['outputs', field]),
  }));
}
