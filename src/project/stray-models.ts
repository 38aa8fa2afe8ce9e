/**
 * Model files that lie where no model is looked for, such as `churn/churn.onnx`: somebody may have meant them to be served.
 * They are no mistakes of the project, for a folder may hold models for other reasons.
 */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { namePattern, versionPattern } from './model-reference.ts';
import type { Project } from './project.ts';

const VERSION_FILE = 'model.onnx';

/** @returns for each folder of a model or version that has only such files, a sentence that says where it would be served */
export async function strayModels({ dir, models }: Project): Promise<string[]> {
  const sentences: string[] = [];
  for (const model of await foldersIn(dir)) {
    if (!namePattern.test(model)) continue;
    const served = models.get(model)?.versions;
    if (served === undefined) sentences.push(...(await strayIn(dir, model, join(model, '1', VERSION_FILE))));
    for (const version of await foldersIn(join(dir, model))) {
      if (!versionPattern.test(version) || served?.has(version) === true) continue;
      const folder = join(model, version);
      sentences.push(...(await strayIn(dir, folder, join(folder, VERSION_FILE))));
    }
  }
  return sentences;
}

async function strayIn(dir: string, folder: string, place: string): Promise<string[]> {
  const files = (await entriesIn(join(dir, folder))).filter((entry) => !entry.isDirectory());
  const stray = files.find(({ name }) => name.endsWith('.onnx'))?.name;
  if (stray === undefined || join(folder, stray) === place) return [];
  return [`${join(dir, folder, stray)} is not served: move it to ${join(dir, place)}`];
}

async function foldersIn(path: string): Promise<string[]> {
  const folders = (await entriesIn(path)).filter((entry) => !entry.name.startsWith('.') && !entry.isFile());
  return folders.map(({ name }) => name).sort();
}

/** None if it cannot be read. */
async function entriesIn(path: string): Promise<Dirent[]> {
  return readdir(path, { withFileTypes: true }).catch(() => []);
}
