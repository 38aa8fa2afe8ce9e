/** docs/transforms.md against the code: the reference is current, and what the text promises is so. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { functionsByName } from '../../src/transforms/functions.ts';
import { parseExpression } from '../../src/transforms/parse.ts';
import { binaryOperators } from '../../src/transforms/syntax.ts';

const root = new URL('../..', import.meta.url).pathname;
const page = readFileSync(`${root}docs/transforms.md`, 'utf8');

describe('docs/transforms.md', () => {
  it('has the reference that the function tables give', () => {
    const check = spawnSync(
      process.execPath,
      ['node_modules/tsx/dist/cli.mjs', 'scripts/write-transform-docs.ts', '--check'],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );
    expect([check.status, check.stderr]).toEqual([0, '']);
  });

  it('describes every function once, with an example', () => {
    for (const { signature, examples, name } of functionsByName.values()) {
      expect(page.split(`\n#### ${signature}\n`).length, name).toBe(2);
      expect(examples.length, name).toBeGreaterThan(0);
    }
  });

  it('names every operator', () => {
    for (const operator of binaryOperators) {
      expect(page, operator).toContain(`\`${operator.replaceAll('|', String.raw`\|`)}\``);
    }
  });

  it.each([
    ['x ?? 0 > 5', 'x ?? (0 > 5)'],
    ['a || b && c', 'a || (b && c)'],
    ['a && b == c', 'a && (b == c)'],
    ['a == b < c', 'a == (b < c)'],
    ['a < b + c', 'a < (b + c)'],
    ['a + b * c', 'a + (b * c)'],
    ['a ?? b ? c : d', '(a ?? b) ? c : d'],
    ['-a * b', '(-a) * b'],
    ['a - b - c', '(a - b) - c'],
    ['a ? 1 : b ? 2 : 3', 'a ? 1 : (b ? 2 : 3)'],
  ])('orders the operators as it says: %s is %s', (text, explicit) => {
    const withoutPlaces = (expression: string): unknown =>
      JSON.parse(
        JSON.stringify(parseExpression(expression), (key, value: unknown) =>
          key === 'at' ? undefined : value,
        ),
      );
    expect(withoutPlaces(text)).toEqual(withoutPlaces(explicit));
  });
});
