import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { jsonText } from '../../src/project/json-text.ts';
import type { JsonValue } from '../../src/project/json-text.ts';
import { parseStrictJson, parseStrictJsonWithBigints } from '../../src/project/strict-json.ts';

function codeOf(body: Buffer | string): string {
  try {
    parseStrictJson(Buffer.from(body as string));
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('parseStrictJson', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        let open = 0;
        const depth = Math.max(
          0,
          ...text.split('').map((c) => (open += '[{'.includes(c) ? 1 : ']}'.includes(c) ? -1 : 0)),
        );
        fc.pre(depth <= 16);
        expect(parseStrictJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"x":[{"b":1},{"b":1,"c":{},"b":3}]}', 'b'],
    [String.raw`{"a":1,"\u0061":2}`, 'a'],
    [String.raw`{"q\"":1,"q\"":2}`, 'q\\"'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ])('refuses the duplicate field of %s by name', (text, name) => {
    expect(() => parseStrictJson(Buffer.from(text))).toThrow(`"${name}" stands twice`);
    expect(codeOf(text)).toBe('DUPLICATE_FIELD');
  });

  it('takes equal names in different objects, and colons inside strings', () => {
    expect(codeOf('[{"a":1},{"a":2},{"a":{"a":"::\\"::"}}]')).toBe('accepted');
  });

  it('finds any duplicate among generated fields', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 8 }), fc.nat(), (names, pick) => {
        const doubled = [...names, names[pick % names.length] as string];
        const text = `{${doubled.map((name) => `${JSON.stringify(name)}:0`).join(',')}}`;
        expect(codeOf(text)).toBe('DUPLICATE_FIELD');
      }),
    );
  });

  it('finds a duplicate whose colon an escape hides elsewhere', () => {
    expect(codeOf(String.raw`{"a":1,"a":2,"b":"\u003a"}`)).toBe('DUPLICATE_FIELD');
    expect(codeOf(String.raw`{"a":1,"b":"\u003a:\\","c\"":{}}`)).toBe('accepted');
  });

  it('refuses deep nesting before anything recursive goes down', () => {
    expect(codeOf('['.repeat(400_000) + ']'.repeat(400_000))).toBe('NESTED_TOO_DEEP');
    expect(codeOf('['.repeat(1_000_000))).toBe('MALFORMED_JSON');
    expect(codeOf('{"a":'.repeat(17) + '1' + '}'.repeat(17))).toBe('NESTED_TOO_DEEP');
    expect(codeOf('['.repeat(16) + ']'.repeat(16))).toBe('accepted');
  });

  it('refuses an empty body, broken JSON and invalid UTF-8, each by its own code', () => {
    expect(codeOf('')).toBe('EMPTY_BODY');
    expect(codeOf('{"a":1')).toBe('MALFORMED_JSON');
    expect(codeOf('\ufeff{}')).toBe('MALFORMED_JSON');
    expect(codeOf(Buffer.from([0x22, 0xff, 0xfe, 0x22]))).toBe('INVALID_ENCODING');
    // Half of a surrogate pair, written in UTF-8 as some encoders do.
    expect(codeOf(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toBe('INVALID_ENCODING');
  });
});

describe('parseStrictJsonWithBigints', () => {
  const parsed = (text: string): unknown => parseStrictJsonWithBigints(Buffer.from(text));

  it('keeps all digits of integers, and leaves other numbers as they are', () => {
    expect(parsed('[9007199254740991, 9007199254740993, -18446744073709551615]')).toEqual([
      9007199254740991,
      9007199254740993n,
      -18446744073709551615n,
    ]);
    expect(parsed('[0.10000000149011612, 1e20, 1000000000000000000e1, 9007199254740993]')).toEqual([
      0.10000000149011612,
      1e20,
      1e19,
      9007199254740993n,
    ]);
  });

  it('reads what parseStrictJson reads, beside a long integer too', () => {
    fc.assert(
      fc.property(fc.json({ depthSize: 'small', maxDepth: 8 }), (text) => {
        const [value, long] = parsed(`[${text},99999999999999999999]`) as [JsonValue, unknown];
        expect(long).toBe(99999999999999999999n);
        expect(JSON.parse(jsonText(value))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('refuses what parseStrictJson refuses', () => {
    expect(() => parsed('{"a":9007199254740993,"a":1}')).toThrow('stands twice');
    expect(() => parsed('[9007199254740993')).toThrow('is not valid JSON');
  });
});
