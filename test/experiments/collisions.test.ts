/** Two experiments that have the same units. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contingencyTest } from '../../src/stats/contingency-test.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { definitionWith, readWritten } from './read-written.ts';
import { createLogWriter, FIRST_MS } from './written-logs.ts';
import type { LogWriter } from './written-logs.ts';

let writer: LogWriter;
beforeEach(() => {
  writer = createLogWriter();
});
afterEach(() => writer.remove());

interface Two {
  /** How likely a unit of the arm a, and one of b, has the variant y of the other experiment. */
  readonly yOf: Readonly<Record<'a' | 'b', number>>;
  readonly chance: (arm: string, other: string) => number;
}

async function writeTwo({ yOf, chance }: Two): Promise<number[][]> {
  const random = seededRandom(17);
  const table = [
    [0, 0],
    [0, 0],
  ];
  for (let i = 0; i < 1000; i++) {
    const variant = random() < 0.5 ? 'a' : 'b';
    const other = random() < yOf[variant] ? 'y' : 'x';
    const person = { unit: `u-${i}`, timeMs: FIRST_MS + i * 1000 };
    writer.expose({ ...person, variant });
    writer.expose({ ...person, variant: other, experiment: 'layout', endpoint: 'pages' });
    const label = random() < chance(variant, other);
    writer.predict({ ...person, variant, requestId: `r-${i}`, feedback: [{ label }] });
    const row = table[variant === 'a' ? 0 : 1];
    if (row !== undefined) row[other === 'x' ? 0 : 1] = (row[other === 'x' ? 0 : 1] ?? 0) + 1;
  }
  writer.expose({ unit: 'elsewhere', timeMs: FIRST_MS, variant: 'x', experiment: 'apart' });
  await writer.write();
  return table;
}

const fair = { a: 0.5, b: 0.5 };

describe('experiments with the same units', () => {
  it('are found, and are independent where nothing is wrong', async () => {
    const table = await writeTwo({ yOf: fair, chance: (arm) => (arm === 'a' ? 0.2 : 0.3) });
    const { collisions } = await readWritten(writer.path, definitionWith());
    const { p, cramersV } = contingencyTest(table);
    expect(collisions).toEqual([
      expect.objectContaining({
        other: 'layout',
        units: 1000,
        otherVariants: ['x', 'y'],
        table,
        p,
        cramersV,
        isDependent: false,
      }),
    ]);
    expect(collisions[0]?.interactions).toMatchObject([{ metric: 'conversion', arm: 1 }]);
    expect(collisions[0]?.interactions[0]?.correctedP).toBeGreaterThan(0.05);
  });

  it('depend on each other where one decides on the other', async () => {
    await writeTwo({ yOf: { a: 0.4, b: 0.6 }, chance: () => 0.2 });
    const { collisions } = await readWritten(writer.path, definitionWith());
    expect(collisions[0]).toMatchObject({ isDependent: true });
    expect(collisions[0]?.cramersV).toBeGreaterThan(0.1);
  });

  it('interact where an effect is there with one variant of the other only', async () => {
    await writeTwo({ yOf: fair, chance: (arm, other) => (arm === 'b' && other === 'y' ? 0.5 : 0.2) });
    const layout = {
      ...definitionWith({ name: 'layout' }),
      arms: ['y', 'x'].map((variant) => ({ variant, share: 0.5 })),
    };
    const { collisions } = await readWritten(writer.path, definitionWith(), { others: [layout] });
    const [interaction] = collisions[0]?.interactions ?? [];
    expect(collisions[0]?.otherVariants).toEqual(['y', 'x']);
    // From y to x the effect falls by 0.3.
    expect(interaction?.difference).toBeCloseTo(-0.3, 1);
    expect(interaction?.p).toBeLessThan(1e-4);
  });

  it('are looked at alone if one is named', async () => {
    await writeTwo({ yOf: fair, chance: () => 0.2 });
    const { collisions } = await readWritten(writer.path, definitionWith(), { against: 'apart' });
    expect(collisions).toEqual([]);
  });
});
