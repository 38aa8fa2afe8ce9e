/**
 * Reads a project folder into a validated, cross-referenced, frozen `Project`. All mistakes are found in one pass:
 * what is sound is kept and checked further, what a mistake touches is left out and noted as incomplete.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildEndpoints, namedVersions } from './build-endpoints.ts';
import type { IsEligible } from './build-endpoints.ts';
import { buildEventTypes } from './build-event-types.ts';
import { buildEntities, buildFeatureViews } from './build-features.ts';
import { buildCache, buildFeast, buildLimits, buildStreaming } from './build-settings.ts';
import { freezeDeep } from './freeze-deep.ts';
import type { Mistake, Model, Project, ProjectFile } from './project.ts';
import type { ProjectSpec } from './project-schema.ts';
import { projectSchema } from './project-schema.ts';
import { descriptionNames, readDescription } from './read-description.ts';
import type { ModelFolder } from './read-models.ts';
import { readModels } from './read-models.ts';
import type { Report } from './report.ts';
import { createReport, invalidProject, wholeFile } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { closestName } from './suggestion.ts';

export { formatMistake } from './report.ts';

export interface ReadProject {
  /** All that is sound. */
  readonly project: Project;
  /** By file, then by line. */
  readonly mistakes: readonly Mistake[];
  /** Parts that were left out or lack something, like `feature_views.weather`; ask with `isIncomplete`. */
  readonly incomplete: ReadonlySet<string>;
}

const emptySpec: ProjectSpec = projectSchema.parse({ project: 'unnamed' });

export interface ReadOptions {
  /** Whether a version whose model.onnx is not there is a mistake, and left out; default true. */
  readonly needsModelFiles?: boolean;
  /** Read the models as they are now, for the project file as it was read before. */
  readonly file?: ProjectFile | undefined;
  /** Which versions `@latest` may stand for; default all. */
  readonly isEligible?: IsEligible;
}

/** Reads DIR/millrace.yaml (or .yml, .json) and the models beside it. Mistakes are returned, never thrown. */
export async function readProject(dir: string, options: ReadOptions = {}): Promise<ReadProject> {
  const report = createReport();
  const file = options.file ?? (await readProjectFile(dir, report));
  const project = file === undefined ? emptyProject(dir) : await readParts(dir, file, report, options);
  return { project: freezeDeep(project), mistakes: report.mistakes(), incomplete: report.incomplete };
}

/**
 * The project, for those who need all of it.
 * @throws MillraceError INVALID_PROJECT with every mistake, one a line
 */
export async function loadProject(dir: string, options: ReadOptions = {}): Promise<Project> {
  const { project, mistakes } = await readProject(dir, options);
  if (mistakes.length > 0) throw invalidProject(mistakes);
  return project;
}

async function readProjectFile(dir: string, report: Report): Promise<ProjectFile | undefined> {
  const expected = wholeFile(join(dir, 'millrace.yaml'), undefined);
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    report.add(expected, [], `the project folder ${dir} ${reason}`);
    return undefined;
  }
  const kind = { base: 'millrace', schema: projectSchema, part: undefined, standIns: { project: 'unnamed' } };
  const description = await readDescription(dir, names, kind, report);
  if (description === 'unusable') return undefined;
  if (description !== 'absent') return description;
  const [, ...others] = descriptionNames('millrace');
  report.add(
    expected,
    [],
    `the project file is missing: a project folder holds it, or ${others.join(' or ')}`,
  );
  return undefined;
}

async function readParts(
  dir: string,
  { spec, source }: ProjectFile,
  report: Report,
  { needsModelFiles = true, isEligible = () => true }: ReadOptions,
): Promise<Project> {
  markMisspelt(source, report);
  const entities = buildEntities(spec, source, report);
  const eventTypes = buildEventTypes(spec, source, report);
  const featureViews = buildFeatureViews(spec, { entities, eventTypes }, source, report);
  const folders = await readModels(dir, namedVersions(spec), { entities, report, needsModelFiles });
  const endpoints = buildEndpoints(spec, { folders, eventTypes, isEligible }, source, report);
  return {
    name: spec.project,
    dir,
    entities,
    eventTypes,
    featureViews,
    models: soundModels(folders),
    unserved: [],
    endpoints,
    limits: buildLimits(spec.limits),
    streaming: buildStreaming(spec.streaming),
    cache: buildCache(spec.cache),
    feast: buildFeast(spec, entities, source, report),
    file: { spec, source },
  };
}

/** `feature_view:` hides all feature views, so that none of them may be called unknown. */
function markMisspelt(source: SourceFile, report: Report): void {
  const sections = Object.keys(emptySpec);
  for (const key of Object.keys(source.data)) {
    const meant = sections.includes(key) ? undefined : closestName(key, sections);
    if (meant !== undefined && !Object.hasOwn(source.data, meant)) report.markIncomplete(meant);
  }
}

function emptyProject(dir: string): Project {
  return {
    name: emptySpec.project,
    dir,
    entities: new Map(),
    eventTypes: new Map(),
    featureViews: new Map(),
    models: new Map(),
    unserved: [],
    endpoints: new Map(),
    limits: buildLimits(emptySpec.limits),
    streaming: buildStreaming(emptySpec.streaming),
    cache: buildCache(emptySpec.cache),
    feast: { isDeclared: false, project: emptySpec.project, entityKeyVersion: 3, keyTypes: new Map() },
  };
}

function soundModels(folders: ReadonlyMap<string, ModelFolder>): Map<string, Model> {
  const models = new Map<string, Model>();
  for (const [name, { model }] of folders) if (model !== undefined) models.set(name, model);
  return models;
}
