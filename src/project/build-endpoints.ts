/** Endpoints, put together from a checked project file and the models that were read. */
import { formatDataType } from './data-type.ts';
import { formatPath } from './path.ts';
import { buildRollout } from './build-rollout.ts';
import { buildPredictionLog } from './build-prediction-log.ts';
import { defaultPredictionLog } from './prediction-log-schema.ts';
import type { Endpoint, EntityBinding, EventType, ModelVersion, RequestField, Variant } from './project.ts';
import { LATEST, parseModelReference } from './model-reference.ts';
import type { ModelReference } from './model-reference.ts';
import type { EndpointSpec, ProjectSpec } from './project-schema.ts';
import type { ModelFolder } from './read-models.ts';
import type { Report } from './report.ts';
import { locate } from './report.ts';
import { overlaps } from './rollout-overlaps.ts';
import type { Unit } from './rollout.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';

interface Building {
  readonly folders: ReadonlyMap<string, ModelFolder>;
  readonly source: SourceFile;
  readonly report: Report;
  readonly eventTypes: ReadonlyMap<string, EventType>;
  readonly isEligible: IsEligible;
}

/** Whether a version may be the newest one that `@latest` stands for. */
export type IsEligible = (version: ModelVersion) => boolean;

/** The versions of each model that the variants name, whether they exist or not. */
export function namedVersions(spec: ProjectSpec): Map<string, Set<string>> {
  const named = new Map<string, Set<string>>();
  for (const endpoint of Object.values(spec.endpoints)) {
    for (const variant of Object.values(endpoint.variants)) {
      const reference = parseModelReference(variant.model);
      if (typeof reference === 'string') continue;
      const versions = named.get(reference.model) ?? new Set<string>();
      named.set(reference.model, versions.add(reference.version));
    }
  }
  return named;
}

/** An endpoint keeps the request fields and the variants that are sound; without a sound rollout it is left out. */
export function buildEndpoints(
  spec: ProjectSpec,
  { folders, eventTypes, isEligible }: Pick<Building, 'folders' | 'eventTypes' | 'isEligible'>,
  source: SourceFile,
  report: Report,
): Map<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>();
  for (const [name, endpointSpec] of Object.entries(spec.endpoints)) {
    const endpoint = buildEndpoint({ folders, source, report, eventTypes, isEligible }, name, endpointSpec);
    if (endpoint === undefined) report.markIncomplete(formatPath(['endpoints', name]));
    else endpoints.set(name, endpoint);
  }
  const rollouts = [...endpoints.values()].map(({ name, ...rest }) => ({ endpoint: name, ...rest }));
  for (const { kind, endpoints: pair, path, message } of overlaps(rollouts)) {
    const at = ['endpoints', pair[1], 'rollout', ...path.split('.')];
    if (kind === 'mistake') report.add(source, at, message);
  }
  return endpoints;
}

function buildEndpoint(building: Building, name: string, spec: EndpointSpec): Endpoint | undefined {
  const { source, report } = building;
  const path = ['endpoints', name];
  const location = locate(source, path);
  const request = Object.entries(spec.request).map(([field, type], index) => ({
    name: field,
    index,
    ...type,
  }));
  const unit = checkUnit(building, path, spec, request);

  const variants: Variant[] = [];
  for (const [variantName, { model }] of Object.entries(spec.variants)) {
    const variantPath = [...path, 'variants', variantName];
    const version = findVersion(building, [...variantPath, 'model'], model);
    if (version === undefined) continue;
    const isLatest = model.endsWith(`@${LATEST}`);
    if (isLatest) refuseLatestAmongSeveral(building, variantPath, spec);
    variants.push({ name: variantName, model: version, isLatest, location: locate(source, variantPath) });
  }
  const logSpec = spec.log ?? defaultPredictionLog(building.eventTypes.size > 0);
  const log = buildPredictionLog(logSpec, name, request, source, report);
  for (const variant of variants) {
    for (const binding of variant.model.bindings)
      checkBinding(building, { name, request, location }, variant, binding);
  }
  // Variants with a mistake of their own are there all the same.
  const declared = Object.keys(spec.variants).map((variant) => [variant, undefined] as const);
  const rolloutPath = [...path, 'rollout'];
  const scope = {
    endpoint: name,
    request,
    variants: new Map([...declared, ...answersOf(variants)]),
    eventTypes: building.eventTypes,
    isLogged: log.sample > 0,
  };
  const rollout = buildRollout(spec.rollout, scope, source, rolloutPath, report);
  if (rollout === undefined || variants.length < declared.length) return undefined;
  const rolloutText = JSON.stringify(valueAt(source.data, rolloutPath) ?? {});
  return { name, request, unit, variants, rollout, rolloutText, log, location };
}

function refuseLatestAmongSeveral(
  { source, report }: Building,
  variantPath: readonly string[],
  { variants }: EndpointSpec,
): void {
  if (Object.keys(variants).length === 1) return;
  const message =
    'follows the newest version, which would change what the variants are compared by; name a version';
  report.add(source, [...variantPath, 'model'], message);
}

/** The fields of each variant's answer; undefined = as the model names them. */
export function answersOf(variants: readonly Variant[]): Map<string, readonly string[] | undefined> {
  return new Map(variants.map(({ name, model }) => [name, model.outputs?.map(({ field }) => field)]));
}

function valueAt(data: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], data);
}

function checkUnit(
  { source, report }: Building,
  path: readonly string[],
  { unit }: EndpointSpec,
  request: readonly RequestField[],
): Unit | undefined {
  if (unit === undefined) return undefined;
  if (typeof unit !== 'string')
    return 'header' in unit
      ? { kind: 'header', name: unit.header.toLowerCase() }
      : { kind: 'cookie', name: unit.cookie };
  const field = request.find((candidate) => candidate.name === unit);
  if (field !== undefined && field.type.length === undefined)
    return { kind: 'field', name: unit, index: field.index };
  if (field !== undefined) {
    report.add(source, [...path, 'unit'], `names ${unit}, a vector; a unit is one value`);
  } else if (!report.isTouched(source, [...path, 'request', unit])) {
    const known = request.map((candidate) => candidate.name);
    const message = `names "${unit}", which is not a request field`;
    report.add(source, [...path, 'unit'], message, suggestName(unit, known, 'request fields'));
  }
  return undefined;
}

function findVersion(building: Building, path: readonly string[], text: string): ModelVersion | undefined {
  const { folders, source, report } = building;
  const reference = parseModelReference(text);
  if (typeof reference === 'string') {
    report.add(source, path, reference);
    return undefined;
  }
  const folder = folders.get(reference.model);
  if (folder === undefined) {
    const suggestion = suggestName(reference.model, folders.keys(), 'models');
    report.add(source, path, `there is no model "${reference.model}" in the project folder`, suggestion);
    return undefined;
  }
  return versionIn(folder, reference, building, path);
}

function versionIn(
  folder: ModelFolder,
  { model, version: name }: ModelReference,
  { source, report, isEligible }: Building,
  path: readonly string[],
): ModelVersion | undefined {
  if (name === LATEST) {
    const all = [...(folder.model?.versions.values() ?? [])];
    const newestFirst = all.filter(({ isDescribed }) => isDescribed).toReversed();
    // Where none can be served, the newest is served, and what is wrong with it is told.
    return newestFirst.find(isEligible) ?? newestFirst[0];
  }
  const version = folder.model?.versions.get(name);
  if (version !== undefined || folder.versionNames.includes(name)) return version;
  // A model without any version has a mistake of its own.
  if (folder.versionNames.length === 0) return undefined;
  const suggestion = `versions are ${folder.versionNames.join(', ')}`;
  report.add(source, path, `the model ${model} has no version ${name}`, suggestion);
  return undefined;
}

/** A model serves endpoints with different requests, so each must send what the model's bindings take. */
function checkBinding(
  building: Building,
  endpoint: Pick<Endpoint, 'name' | 'request' | 'location'>,
  variant: Variant,
  binding: EntityBinding,
): void {
  const { source, report } = building;
  const { model, version } = variant.model;
  const { file, line } = endpoint.location;
  const caller = `the endpoint ${endpoint.name} (${file}:${line})`;
  const place = { file: binding.location.file, part: `models.${model}`, lineOf: () => binding.location.line };
  const bindingPath = ['entities', binding.name];

  binding.entity.keys.forEach((key, index) => {
    const fieldName = binding.keyFields[index] ?? '';
    const field = endpoint.request.find((candidate) => candidate.name === fieldName);
    const path = [...bindingPath, 'keys', key.name];
    if (field === undefined) {
      if (report.isTouched(source, ['endpoints', endpoint.name, 'request', fieldName])) return;
      const known = endpoint.request.map((candidate) => candidate.name);
      const message = `takes request.${fieldName}, which ${caller} of ${model}@${version} does not have`;
      report.add(place, path, message, suggestName(fieldName, known, 'request fields'));
    } else if (formatDataType(field.type) !== key.type) {
      const types = `the join key ${key.name} is ${key.type}, and the field is ${formatDataType(field.type)}`;
      report.add(place, path, `takes request.${fieldName} of ${caller}: ${types}`);
    }
  });
}
