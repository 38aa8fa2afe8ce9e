import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatKeyText, newKeyText, parseKeyText } from '../../src/access/key-text.ts';

const sample = (): string => formatKeyText(newKeyText());

describe('the text of a key', () => {
  it('is read back as it was made', () => {
    fc.assert(
      fc.property(fc.constant(null).map(newKeyText), (key) => {
        expect(parseKeyText(formatKeyText(key))).toEqual(key);
      }),
    );
  });

  it('can be selected by a double click, and stand in a header and an address as it is', () => {
    for (let i = 0; i < 100; i++) expect(sample()).toMatch(/^mr_[0-9a-f]{16}_[0-9A-Za-z]{49}$/);
  });

  it('is another one each time', () => {
    expect(new Set(Array.from({ length: 1000 }, sample)).size).toBe(1000);
  });

  it('is not taken with one sign changed, left out, doubled, or two signs swapped', () => {
    const slip = fc.record({
      key: fc.constant(null).map(sample),
      at: fc.nat(67),
      kind: fc.constantFrom('change', 'drop', 'double', 'swap'),
      sign: fc.string({ minLength: 1, maxLength: 1 }),
    });
    fc.assert(
      fc.property(slip, ({ key, at, kind, sign }) => {
        const place = at % key.length;
        const [before, here, after] = [key.slice(0, place), key[place] ?? '', key.slice(place + 1)];
        const wrong = {
          change: `${before}${sign}${after}`,
          drop: `${before}${after}`,
          double: `${before}${here}${here}${after}`,
          swap: `${before}${after.slice(0, 1)}${here}${after.slice(1)}`,
        }[kind];
        fc.pre(wrong !== key);
        expect(parseKeyText(wrong)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it('is nothing that anybody makes up', () => {
    const made = fc.oneof(
      fc.string(),
      fc.string().map((text) => `mr_${text}`),
      fc.stringMatching(/^mr_[0-9a-f]{16}_[0-9A-Za-z]{49}$/),
      fc.constant(null).map(() => ` ${sample()}`),
      fc.constant(null).map(() => `${sample()}\n`),
    );
    fc.assert(
      fc.property(made, (text) => {
        expect(parseKeyText(text)).toBeUndefined();
      }),
    );
  });
});
