/** Which mistakes of a project keep all of it from being served, and not only a model that nobody needs. */
import { relative, sep } from 'node:path';
import { LATEST, parseModelReference } from './model-reference.ts';
import type { ModelReference } from './model-reference.ts';
import type { Mistake } from './project.ts';
import type { ReadProject } from './read-project.ts';

/**
 * A mistake in a version that no endpoint names, or in a model that none does, can be borne: that version is left out.
 * So is one in a version that an endpoint could follow as the newest one, as long as there is another.
 */
export function unbearableMistakes({ project, mistakes, file }: ReadProject): readonly Mistake[] {
  if (file === undefined) return mistakes;
  const { endpoints } = file.spec;
  if (Object.keys(endpoints).some((name) => !project.endpoints.has(name))) return mistakes;
  const references = Object.values(endpoints)
    .flatMap(({ variants }) => Object.values(variants))
    .map(({ model }) => parseModelReference(model))
    .filter((reference) => typeof reference !== 'string');
  return mistakes.filter((mistake) => !isBorne(relative(project.dir, mistake.file).split(sep), references));
}

/** @param parts of the file's path in the project folder */
function isBorne([model, version, ...rest]: string[], references: readonly ModelReference[]): boolean {
  if (model === undefined || /^millrace\.\w+$/.test(model)) return false;
  const own = references.filter((reference) => reference.model === model);
  const isInVersion = rest.length > 0 && version !== undefined && /^\d+$/.test(version);
  if (!isInVersion) return own.length === 0;
  return own.every((reference) => reference.version === LATEST || reference.version !== version);
}
