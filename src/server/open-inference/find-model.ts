/** The models as a path or a message names them. */
import { MillraceError } from '../../errors.ts';
import { versionPattern } from '../../project/model-reference.ts';
import { shortName } from '../../project/problem-list.ts';
import { suggestName } from '../../project/suggestion.ts';
import type { RawModel } from '../../serving/raw-model.ts';
import type { RawModels, UnavailableModel } from '../../serving/raw-models.ts';

/**
 * @param version empty = the newest that answers
 * @throws MillraceError UNKNOWN_MODEL, INVALID_REQUEST
 */
export function findModel(models: RawModels, name: string, version = ''): RawModel | UnavailableModel {
  if (version !== '' && !versionPattern.test(version)) {
    const sentence = `"${shortName(version)}" is no version of a model: versions are numbers.`;
    throw new MillraceError('INVALID_REQUEST', sentence);
  }
  const found = models.get(name, version === '' ? undefined : version);
  if (found !== undefined) return found;
  const all = models.list();
  const versions = all.filter((model) => model.name === name).map((model) => model.version);
  const sentence =
    versions.length > 0
      ? `The model "${shortName(name)}" has no version ${version}; versions are ${versions.join(', ')}.`
      : `There is no model "${shortName(name)}"; ${suggestName(name, new Set(all.map((model) => model.name)), 'models')}`;
  throw new MillraceError('UNKNOWN_MODEL', sentence);
}

/** Whether it is loaded, and something is there to run it. */
export function canAnswer(model: RawModel | UnavailableModel): boolean {
  return model.state === 'ready' && model.isAlive;
}

/** @throws MillraceError UNKNOWN_MODEL, INVALID_REQUEST, MODEL_UNAVAILABLE */
export function readyModel(models: RawModels, name: string, version = ''): RawModel {
  const model = findModel(models, name, version);
  if (model.state === 'ready') return model;
  const sentence = `The model ${model.name}@${model.version} does not answer. ${model.reason}`;
  throw new MillraceError('MODEL_UNAVAILABLE', sentence);
}

/** The versions of a model that answer, in numeric order. */
export function readyVersions(models: RawModels, name: string): string[] {
  return models
    .list()
    .filter((model) => model.name === name && model.state === 'ready')
    .map((model) => model.version);
}
