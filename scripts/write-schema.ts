/**
 * Writes the published JSON Schemas of millrace.yaml and model.yaml from the schemas that validate them.
 * With --check it writes nothing and exits with 1 when a file is not what it should be.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { modelSchema, projectSchema } from '../src/project/project-schema.ts';

const schemas = { 'millrace.schema.json': projectSchema, 'model.schema.json': modelSchema };
const folder = new URL('../schema/', import.meta.url);
const isCheck = process.argv.includes('--check');

for (const [name, schema] of Object.entries(schemas)) {
  const path = fileURLToPath(new URL(name, folder));
  // Draft 7 is what the YAML and JSON support of editors reads.
  const text = `${JSON.stringify(z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }), null, 2)}\n`;
  if (!isCheck) {
    await writeFile(path, text);
    continue;
  }
  const current = await readFile(path, 'utf8').catch(() => '');
  if (current === text) continue;
  console.error(`schema/${name} is stale: run npx tsx scripts/write-schema.ts`);
  process.exitCode = 1;
}
