/** What of a project can be served, although some of it has mistakes. */
import { relative, sep } from 'node:path';
import { LATEST, parseModelReference } from './model-reference.ts';
import type { ModelReference } from './model-reference.ts';
import type { Mistake, Project, UnservedVersion } from './project.ts';
import { readProject } from './read-project.ts';
import type { ReadProject } from './read-project.ts';
import { formatMistake, invalidProject } from './report.ts';

/**
 * The project without what has mistakes, where no endpoint needs that: a version that no endpoint names is left out, and told
 * of as unserved. So is one that an endpoint could follow as the newest, as long as there is another.
 * @throws MillraceError INVALID_PROJECT with the mistakes in what endpoints need, or in the project file
 */
export function servableProject(read: ReadProject): Project {
  const { project, mistakes } = read;
  const { file } = project;
  if (mistakes.length === 0) return project;
  const references = referencesOf(project);
  const partsOf = (mistake: Mistake): string[] => relative(project.dir, mistake.file).split(sep);
  const hasAllEndpoints =
    file !== undefined && Object.keys(file.spec.endpoints).every((name) => project.endpoints.has(name));
  const unbearable = mistakes.filter((mistake) => !hasAllEndpoints || !isBorne(partsOf(mistake), references));
  if (unbearable.length > 0) throw invalidProject(unbearable);
  const unserved = mistakes.map((mistake): UnservedVersion => {
    const [name = '', version = ''] = partsOf(mistake);
    // A file in the project folder itself is a model, by its name without the ending.
    const model = version === '' ? name.replace(/\.onnx$/, '') : name;
    return { model, version: isVersion(version) ? version : '', reason: formatMistake(mistake) };
  });
  return Object.freeze({ ...project, unserved });
}

/**
 * Reads a project to serve it.
 * @throws MillraceError INVALID_PROJECT
 */
export async function loadServableProject(dir: string): Promise<Project> {
  return servableProject(await readProject(dir));
}

function referencesOf({ file }: Project): ModelReference[] {
  return Object.values(file?.spec.endpoints ?? {})
    .flatMap(({ variants }) => Object.values(variants))
    .map(({ model }) => parseModelReference(model))
    .filter((reference) => typeof reference !== 'string');
}

/** @param parts of the file's path in the project folder */
function isBorne([model, version, ...rest]: string[], references: readonly ModelReference[]): boolean {
  if (model === undefined || /^millrace\.\w+$/.test(model)) return false;
  const own = references.filter((reference) => reference.model === model);
  const isInVersion = rest.length > 0 && version !== undefined && isVersion(version);
  if (!isInVersion) return own.length === 0;
  return own.every((reference) => reference.version === LATEST || reference.version !== version);
}

function isVersion(name: string): boolean {
  return /^\d+$/.test(name);
}
