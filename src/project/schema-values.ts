/** What both project files are made of: names, types, durations. */
import { z } from 'zod';
import type { DataType } from './data-type.ts';
import { parseDataType } from './data-type.ts';
import { parseDuration } from './duration.ts';
import { namePattern } from './model-reference.ts';

export const identifierPattern: RegExp = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** Names that expressions use must read as identifiers. */
export const identifier: z.ZodString = z
  .string()
  .regex(
    identifierPattern,
    'is not a valid name: use letters, digits and "_", and start with a letter or "_"',
  );

export const name: z.ZodString = z
  .string()
  .regex(namePattern, 'is not a valid name: use letters, digits, "_", "-" and ".", and start with a letter');

/** Text with a parser that returns the value, or a sentence on what is wrong with the text. */
export function parsed<T>(parse: (text: string) => T | string): z.ZodType<T, string> {
  return z.string().transform((text, context): T => {
    const result = parse(text);
    if (typeof result !== 'string') return result;
    context.addIssue({ code: 'custom', message: result });
    return z.NEVER;
  });
}

export const dataType: z.ZodType<DataType, string> = parsed(parseDataType).meta({
  description: 'A type: float32, float64, int64, string, bool, timestamp, or a vector such as float32[64].',
  pattern: '^(float32|float64|int64|string|bool|timestamp|(float32|float64|int64)\\[[0-9]+\\])$',
  examples: ['float64', 'string', 'float32[64]'],
});

export const duration: z.ZodType<number, string> = parsed(parseDuration).meta({
  pattern: '^[0-9]+(ms|s|m|h|d)$',
  examples: ['30s', '500ms', '5m', '1h', '30d'],
});
