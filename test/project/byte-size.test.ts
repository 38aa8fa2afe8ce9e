import { expect, test } from 'vitest';
import { parseByteSize } from '../../src/project/byte-size.ts';

test.each([
  ['7b', 7],
  ['512kb', 524_288],
  ['1mb', 1_048_576],
  ['1MB', 1_048_576],
  ['2gb', 2_147_483_648],
])('reads %s as %d bytes', (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes);
});

test.each(['', '5', '5tb', '-1kb', '1.5mb', '1 mb', 'kb'])('refuses %j', (text) => {
  expect(parseByteSize(text)).toMatch(/is not a size/);
});
