/**
 * People whose behaviour is known. What somebody does follows from the seed and their name alone, not from when they come
 * or who comes with them: so a simulation finds the same numbers each time, whatever the order of its answers.
 */
import { createHash } from 'node:crypto';
import { normalCritical } from '../../src/stats/normal-tail.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

export interface Person {
  readonly name: string;
  /** How often they come. */
  readonly visits: number;
  /** How inclined they are, 0 to 1: another number for each of them. */
  readonly inclination: number;
  /** A number from 0 to below 1, the same for the same words. */
  draw(...words: readonly (string | number)[]): number;
}

/** @param visitsMax each comes 1 to so many times */
export function peopleOf(seed: string, count: number, visitsMax = 1): Person[] {
  return Array.from({ length: count }, (_, i) => {
    const name = `${seed}-${i}`;
    const draw: Person['draw'] = (...words) => drawOf([name, ...words].join(' '));
    const visits = 1 + Math.floor(draw('visits') * visitsMax);
    return { name, visits, inclination: draw('inclination'), draw };
  });
}

export function drawOf(text: string): number {
  return seededRandom(createHash('sha256').update(text).digest().readInt32LE())();
}

/** Of a person who does it with this chance. */
export function happens(draw: number, chance: number): boolean {
  return draw < chance;
}

/** A normal variable with mean 0 and variance 1. */
export function normalOf(draw: number): number {
  return normalCritical(Math.min(Math.max(1 - draw, Number.EPSILON), 1 - Number.EPSILON));
}
