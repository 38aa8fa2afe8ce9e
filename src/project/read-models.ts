/**
 * The models of a project: the folders that hold a model.yaml or versions, those that an endpoint names, and files
 * NAME.onnx, which are version 1 of a model. Each folder of digits in a model's folder is a version, with a model.onnx
 * and perhaps a model.yaml of its own, whose top-level keys replace the model's. A version without any model.yaml
 * serves tensors, and no endpoint.
 */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buildVersion, undescribedVersion } from './build-version.ts';
import { LATEST, namePattern, versionPattern } from './model-reference.ts';
import type { Entity, Model, ModelVersion } from './project.ts';
import type { ModelSpec } from './project-schema.ts';
import { modelSchema } from './project-schema.ts';
import type { Description } from './read-description.ts';
import { descriptionNames, readDescription } from './read-description.ts';
import type { Report } from './report.ts';
import { locate, wholeFile } from './report.ts';

/** A model's folder: what it holds, and the model as far as it is sound. */
export interface ModelFolder {
  /** All versions that are there, sound or not, in numeric order. */
  readonly versionNames: readonly string[];
  /** Only sound versions; without one there is no model. */
  readonly model: Model | undefined;
}

interface ModelContext {
  readonly entities: ReadonlyMap<string, Entity>;
  readonly report: Report;
  /** Whether a version whose model.onnx is not there is a mistake, and left out. */
  readonly needsModelFiles: boolean;
}

interface Reading extends ModelContext {
  readonly dir: string;
  readonly named: NamedVersions;
}

/** Model -> versions. */
type NamedVersions = ReadonlyMap<string, ReadonlySet<string>>;

const descriptionFiles = descriptionNames('model');
const fileEnding = '.onnx';

/**
 * Reads the models of a project folder.
 * @param named what endpoints name: these models have a mistake where others are passed over, and these versions need
 *   a model.yaml
 */
export async function readModels(
  dir: string,
  named: NamedVersions,
  context: ModelContext,
): Promise<Map<string, ModelFolder>> {
  const folders = new Map<string, ModelFolder>();
  const reading = { dir, named, ...context };
  for (const name of await folderNames(dir)) {
    const names = await namesIn(join(dir, name));
    const isModel = named.has(name) || names.some((entry) => descriptionFiles.includes(entry));
    if (!isModel && !(await holdsVersions(join(dir, name), name))) continue;
    folders.set(name, await readModel(reading, name, names));
  }
  for (const file of await namesIn(dir)) {
    const name = file.slice(0, -fileEnding.length);
    if (!file.endsWith(fileEnding) || !namePattern.test(name) || !(await isFile(join(dir, file)))) continue;
    const folder = await readFile(reading, name, file);
    if (folder !== undefined) folders.set(name, folder);
  }
  return folders;
}

/** Whether a folder without a description has something to serve. */
async function holdsVersions(folder: string, name: string): Promise<boolean> {
  if (!namePattern.test(name)) return false;
  for (const entry of await folderNames(folder)) {
    if (versionPattern.test(entry) && (await isFile(join(folder, entry, 'model.onnx')))) return true;
  }
  return false;
}

/** A model of one file; undefined where a folder has its name. */
async function readFile(reading: Reading, name: string, file: string): Promise<ModelFolder | undefined> {
  const { dir, named, report } = reading;
  const onnxPath = join(dir, file);
  const place = wholeFile(onnxPath, `models.${name}`);
  if (await isFolder(join(dir, name))) {
    const version = join(dir, name, '2', 'model.onnx');
    report.add(
      place,
      [],
      `the model ${name} is a folder as well`,
      `move the file into it, to ${version} for one`,
    );
    return undefined;
  }
  const versionNames = ['1'];
  if (named.has(name)) {
    reportUndescribed(reading, name);
    return { versionNames, model: undefined };
  }
  const version = undescribedVersion({ model: name, version: '1', onnxPath }, locate(place, []));
  return { versionNames, model: { name, versions: new Map([['1', version]]) } };
}

function reportUndescribed({ dir, report }: Reading, model: string): void {
  const message = `the file is missing: it says what the inputs of the model ${model} are`;
  report.add(wholeFile(join(dir, model, 'model.yaml'), `models.${model}`), [], message);
}

async function readModel(reading: Reading, name: string, names: readonly string[]): Promise<ModelFolder> {
  const { report } = reading;
  const folder = join(reading.dir, name);
  const part = `models.${name}`;
  const place = wholeFile(folder, part);
  if (!namePattern.test(name)) {
    report.add(place, [], 'the folder is not named like a model: use letters, digits, "_", "-" and "."');
    return { versionNames: [], model: undefined };
  }
  const base = await readDescription(folder, names, { base: 'model', schema: modelSchema, part }, report);
  const versionNames = (await folderNames(folder)).filter((entry) => versionPattern.test(entry));
  versionNames.sort((a, b) => Number(a) - Number(b));
  if (versionNames.length === 0) {
    report.add(place, [], 'the model has no versions', `put its file at ${join(folder, '1', 'model.onnx')}`);
  }
  const versions = new Map<string, ModelVersion>();
  for (const versionName of versionNames) {
    const version = await readVersion(reading, name, versionName, base);
    if (version !== undefined) versions.set(versionName, version);
  }
  const isDescribed = [...versions.values()].some((version) => version.isDescribed);
  if (versions.size > 0 && !isDescribed && reading.named.get(name)?.has(LATEST) === true)
    reportUndescribed(reading, name);
  return { versionNames, model: versions.size === 0 ? undefined : { name, versions } };
}

async function readVersion(
  reading: Reading,
  model: string,
  version: string,
  base: Description<ModelSpec> | 'absent' | 'unusable',
): Promise<ModelVersion | undefined> {
  const { dir, named, entities, report, needsModelFiles } = reading;
  const folder = join(dir, model, version);
  const part = `models.${model}`;
  const names = await namesIn(folder);
  const onnxPath = join(folder, 'model.onnx');
  const isUsable = !needsModelFiles || (await isFile(onnxPath));
  const isNamed = named.get(model)?.has(version) === true;
  if (
    !isUsable &&
    (isNamed || base !== 'absent' || names.some((entry) => descriptionFiles.includes(entry)))
  ) {
    report.add(
      wholeFile(onnxPath, part),
      [],
      `the file is missing: it is version ${version} of the model ${model}`,
    );
  }
  const own = await readDescription(folder, names, { base: 'model', schema: modelSchema, part }, report);
  if (own === 'unusable' || base === 'unusable') return undefined;
  if (own === 'absent' && base === 'absent') {
    if (isNamed) reportUndescribed(reading, model);
    if (isNamed || !(await isFile(onnxPath))) return undefined;
    return undescribedVersion({ model, version, onnxPath }, locate(wholeFile(onnxPath, part), []));
  }
  const descriptions = [own, base].filter((description) => description !== 'absent');
  const built = buildVersion({ model, version, onnxPath, descriptions }, entities, report);
  return isUsable ? built : undefined;
}

/** Folders in a folder, links to folders included, in alphabetical order; none if it cannot be read. */
async function folderNames(path: string): Promise<string[]> {
  const folders: string[] = [];
  for (const entry of await entriesOf(path)) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(join(path, entry.name))))) {
      folders.push(entry.name);
    }
  }
  return folders.sort();
}

async function namesIn(path: string): Promise<string[]> {
  return (await entriesOf(path)).map(({ name }) => name);
}

async function entriesOf(path: string): Promise<Dirent[]> {
  return readdir(path, { withFileTypes: true }).catch(() => []);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}
