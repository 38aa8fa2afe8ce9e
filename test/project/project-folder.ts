/** Project folders on disk for the tests of this folder. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ReadProject } from '../../src/project/read-project.ts';
import { formatMistake, readProject } from '../../src/project/read-project.ts';

/** Writes files, by their path in the folder, into a new folder that goes when the test ends. */
export async function projectFolder(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-project-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), content);
  }
  return dir;
}

export async function readFiles(files: Readonly<Record<string, string | Uint8Array>>): Promise<ReadProject> {
  return readProject(await projectFolder(files));
}

/** The mistakes of a project as lines, with the folder's own path taken off. */
export async function mistakesIn(files: Readonly<Record<string, string | Uint8Array>>): Promise<string[]> {
  const dir = await projectFolder(files);
  const { mistakes } = await readProject(dir);
  return mistakes.map((mistake) => formatMistake(mistake).replaceAll(`${dir}/`, ''));
}

/** A sound project: one entity, one view, one model, one endpoint. */
export const soundFiles: Readonly<Record<string, string>> = {
  'millrace.yaml': `project: shop
entities:
  user: { keys: { id: int64 } }
feature_views:
  activity:
    entity: user
    ttl: 30d
    features:
      clicks: int64
      spend: { type: float64, default: 0 }
      taste: float32[3]
endpoints:
  churn:
    request:
      user: int64
      page: { type: string, optional: true }
    unit: user
    variants:
      only: { model: churn@1 }
`,
  'churn/model.yaml': `entities:
  user: { entity: user, keys: { id: request.user } }
inputs:
  features:
    - user.activity.clicks
    - user.activity.spend
outputs: { risk: "probabilities[1]" }
`,
  'churn/1/model.onnx': '',
};
