import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { soundFiles } from './project-folder.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

type Schema = z.core.JSONSchema.JSONSchema;

async function published(name: string): Promise<Schema> {
  return JSON.parse(await readFile(`${root}schema/${name}.schema.json`, 'utf8')) as Schema;
}

/** Every key that a schema describes, by its path. */
function describedKeys(schema: Schema, path: string): [path: string, description: string | undefined][] {
  const properties = Object.entries(schema.properties ?? {}) as [string, Schema][];
  const inner = [schema.additionalProperties, ...(schema.anyOf ?? [])].filter(
    (part) => typeof part === 'object',
  );
  return [
    ...properties.flatMap(([key, property]): [string, string | undefined][] => [
      [`${path}.${key}`, property.description],
      ...describedKeys(property, `${path}.${key}`),
    ]),
    ...inner.flatMap((part) => describedKeys(part, `${path}.*`)),
  ];
}

describe('the published schemas', () => {
  test('are what the validating schemas say today', async () => {
    const script = [`${root}scripts/write-schema.ts`, '--check'];
    const { stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', ...script], {
      cwd: root,
    });
    expect(stderr).toBe('');
  });

  test.each(['millrace', 'model'])('%s has a title, and a description of every key', async (name) => {
    const schema = await published(name);
    expect(schema.title).toMatch(/^Millrace /);
    const keys = describedKeys(schema, name);
    expect(keys.length).toBeGreaterThan(7);
    expect(keys.filter(([, description]) => description === undefined)).toEqual([]);
  });

  test.each([
    ['millrace', 'millrace.yaml'],
    ['model', 'churn/model.yaml'],
  ])('%s accepts a sound file and refuses an unknown key', async (name, file) => {
    const schema = z.fromJSONSchema(await published(name));
    const data = parse(soundFiles[file] ?? '') as Record<string, unknown>;
    expect(schema.safeParse(data).error).toBeUndefined();
    expect(schema.safeParse({ ...data, extra: 1 }).success).toBe(false);
  });

  test('refuse a type and a duration that do not exist', async () => {
    const schema = z.fromJSONSchema(await published('millrace'));
    const view = { entity: 'user', ttl: '30d', features: { x: 'float32[4]' } };
    const accepts = (feature_views: unknown): boolean =>
      schema.safeParse({ project: 'p', feature_views }).success;
    expect(accepts({ view })).toBe(true);
    expect(accepts({ view: { ...view, ttl: '30 days' } })).toBe(false);
    expect(accepts({ view: { ...view, features: { x: 'float' } } })).toBe(false);
    expect(accepts({ view: { ...view, features: {} } })).toBe(false);
  });
});
