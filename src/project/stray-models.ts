/**
 * Model files that lie where no model is looked for, such as `churn/churn.onnx`: somebody may have meant them to be served.
 * They are no mistakes of the project, for a folder may hold models for other reasons.
 */
import type { Dirent } from 'node:fs';
import { access, opendir } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { namePattern, versionPattern } from './model-reference.ts';
import type { Project } from './project.ts';
import { descriptionNames } from './read-description.ts';

const VERSION_FILE = 'model.onnx';
const VERSION_STEM = 'model';
const FILE_ENDING = '.onnx';
const NAME_LENGTH_MAX = 128;

/** A project folder may hold anything, and is looked at after each change: what is looked at has limits. */
const DEPTH_MAX = 3;
const ENTRIES_MAX = 800;
const ENTRIES_OF_FOLDER_MAX = 200;

/** How people name the folder of a version; only digits make one. */
const versionLike = /^(?:v|ver|version)?[-_.]?(\d{1,18})$/i;

const descriptionFiles = descriptionNames('model');

/** @returns for each file that could be served elsewhere, a sentence that says where; no place is given to two */
export async function strayModels({ dir, models }: Project): Promise<string[]> {
  const files = await filesIn(dir);
  const known = new Set([...models.keys(), ...modelsOf(files)]);
  const places = new Map<string, string>();
  for (const file of files) {
    const place = placeOf(file, known);
    if (place === undefined || places.has(place) || !(await isFree(dir, place))) continue;
    places.set(place, `${printable(join(dir, file))} is not served: move it to ${join(dir, place)}`);
  }
  return [...places.values()];
}

/** Of the sentences, the one that would explain why there is no such model. */
export function strayModelOf(name: string, dir: string, sentences: readonly string[]): string | undefined {
  return sentences.find(
    (sentence) =>
      sentence.startsWith(join(dir, name) + sep) || sentence.endsWith(join(dir, `${name}${FILE_ENDING}`)),
  );
}

/** Models that are there, although what is wrong with them, or somebody's wish, keeps them from being served. */
function modelsOf(files: readonly string[]): string[] {
  return files.flatMap((file) => {
    const [name = '', version, inVersion] = file.split(sep);
    if (version === undefined) return name.endsWith(FILE_ENDING) ? [name.slice(0, -FILE_ENDING.length)] : [];
    const isModel =
      descriptionFiles.includes(version) || (versionPattern.test(version) && inVersion === VERSION_FILE);
    return isModel ? [name] : [];
  });
}

/**
 * @param file its path in the project folder
 * @returns the path at which it would be served, which may be its own
 */
function placeOf(file: string, known: ReadonlySet<string>): string | undefined {
  if (!file.toLowerCase().endsWith(FILE_ENDING)) return undefined;
  const stem = basename(file).slice(0, -FILE_ENDING.length);
  const folders = file.split(sep).slice(0, -1);
  const [top] = folders;
  if (top === undefined) return `${nameFor(stem)}${FILE_ENDING}`;
  const version = versionLike.exec(folders.at(-1) ?? '')?.[1];
  const versioned = folders.at(-2);
  if (version !== undefined && versioned !== undefined) {
    // Deeper down, it is rather a copy of the model that is there already.
    if (folders.length > 2 && known.has(versioned)) return undefined;
    return join(nameFor(versioned), version, VERSION_FILE);
  }
  if (known.has(top)) return undefined;
  const name = stem !== VERSION_STEM && namePattern.test(stem) ? stem : top;
  return name === top && namePattern.test(top)
    ? join(top, '1', VERSION_FILE)
    : `${nameFor(name)}${FILE_ENDING}`;
}

/** The nearest name that a model may have. */
function nameFor(text: string): string {
  const allowed = text.replace(/[^A-Za-z0-9_.-]+/g, '_');
  const name = /^[A-Za-z]/.test(allowed) ? allowed : `${VERSION_STEM}_${allowed}`;
  return name.slice(0, NAME_LENGTH_MAX);
}

/** A model is a file or a folder: beside a folder of its name, a file would be a mistake. */
async function isFree(dir: string, place: string): Promise<boolean> {
  if (await exists(join(dir, place))) return false;
  return place.includes(sep) || !(await exists(join(dir, place.slice(0, -FILE_ENDING.length))));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Paths in the project folder, those that are less deep first; none that is hidden. */
async function filesIn(dir: string): Promise<string[]> {
  const files: string[] = [];
  let left = ENTRIES_MAX;
  let folders = [''];
  for (let depth = 0; depth <= DEPTH_MAX; depth++) {
    const deeper: string[] = [];
    for (const folder of folders) {
      const entries = await entriesIn(join(dir, folder), Math.min(left, ENTRIES_OF_FOLDER_MAX));
      left -= entries.length;
      for (const entry of entries) {
        if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
        const isFile = entry.isFile() || (entry.isSymbolicLink() && /\.\w+$/.test(entry.name));
        (isFile ? files : deeper).push(join(folder, entry.name));
      }
    }
    folders = deeper;
  }
  return files;
}

/** In alphabetical order; none if it cannot be read. */
async function entriesIn(path: string, countMax: number): Promise<Dirent[]> {
  const entries: Dirent[] = [];
  if (countMax === 0) return entries;
  try {
    for await (const entry of await opendir(path)) {
      entries.push(entry);
      if (entries.length === countMax) break;
    }
  } catch {
    // What cannot be read holds nothing that could be served either.
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Names are printed on terminals, which take some characters for commands. */
function printable(path: string): string {
  return path.replaceAll(/\p{Cc}/gu, '?');
}
