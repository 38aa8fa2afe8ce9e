/**
 * Hashes of 53 bits, as many as a number holds exactly, for counting distinct values. Two 32-bit lanes take in the
 * value word by word and are mixed into each other at the end with the finalizer of MurmurHash3, after cyrb53 by bryc
 * (public domain). It is no defence against one who picks values that collide.
 */
import type { Scalar } from '../../project/value.ts';

/** The low 32 bits of a hash are `low`; `high` has 21 more. */
const LOW = 2 ** 32;
const HIGH_MASK = 0x1fffff;

export type ScalarHash = (value: Scalar) => number;

export function createScalarHash(): ScalarHash {
  const words = new Int32Array(2);
  const double = new Float64Array(words.buffer);
  const long = new BigInt64Array(words.buffer);

  return (value) => {
    let a = 0x2f0b4a27;
    let b = 0x165667b1;
    const take = (word: number): void => {
      a = Math.imul(a ^ word, 0x9e3779b1);
      b = Math.imul(b ^ word, 0x5f356495);
      // Without these, words that differ in their highest bits only would cancel out in both lanes.
      a ^= a >>> 15;
      b ^= b >>> 13;
    };
    if (typeof value === 'string') {
      for (let i = 0; i < value.length; i++) take(value.charCodeAt(i));
      take(value.length);
    } else {
      if (typeof value === 'bigint') long[0] = value;
      else double[0] = Number(value);
      take(words[0] as number);
      take(words[1] as number);
    }
    const low = finish(a ^ Math.imul(b ^ (b >>> 16), 0x85ebca6b));
    const high = finish(b ^ low);
    return (high & HIGH_MASK) * LOW + low;
  };
}

function finish(lane: number): number {
  let mixed = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
