/** The section `rollout` as JSON Schema, made of what validates it. */
import { z } from 'zod';
import type { JsonObject } from './json-text.ts';
import { rolloutSchema } from './rollout-schema.ts';

/** As it is written; draft 2020-12. */
export function rolloutJsonSchema(): JsonObject {
  const { $schema: _draft, ...schema } = z.toJSONSchema(rolloutSchema, { io: 'input' });
  return schema as JsonObject;
}
