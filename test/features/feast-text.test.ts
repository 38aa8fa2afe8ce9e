import fc from 'fast-check';
import { expect, it } from 'vitest';
import { feastText } from '../../src/features/feast-text.ts';
import type { FeastResponse } from '../../src/features/feast.ts';
import { jsonText } from '../../src/project/json-text.ts';
import type { JsonValue } from '../../src/project/json-text.ts';

const value = fc.oneof(
  fc.double(),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.array(fc.oneof(fc.double(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n })), { maxLength: 3 }),
);
const status = fc.constantFrom('PRESENT', 'NULL_VALUE', 'NOT_FOUND', 'OUTSIDE_MAX_AGE');
const column = fc.record({
  values: fc.array(value, { maxLength: 5 }),
  statuses: fc.array(status, { maxLength: 5 }),
  event_timestamps: fc.array(fc.string(), { maxLength: 5 }),
});

it('writes an answer as any other JSON, whichever columns share an array', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(column, { minLength: 1 }), (names, columns) => {
      const [first] = columns;
      const shared = columns.map((of) => ({ ...of, event_timestamps: first?.event_timestamps ?? [] }));
      const answer = {
        metadata: { feature_names: names },
        results: [...columns, ...shared],
      } as FeastResponse;
      expect(feastText(answer)).toBe(jsonText(answer as unknown as JsonValue));
    }),
  );
});
