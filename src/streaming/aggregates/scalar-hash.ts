/**
 * Hashes of 53 bits, as many as a number holds exactly, for counting distinct values. Two 32-bit lanes take in the
 * value word by word and are mixed into each other at the end with the finalizer of MurmurHash3, after cyrb53 by bryc
 * (public domain). It is no defence against one who picks values that collide.
 */
import type { Scalar } from '../../project/value.ts';

const LOW = 2 ** 32;
const HIGH_MASK = 0x1fffff;
const SEED_A = 0x2f0b4a27;
const SEED_B = 0x165667b1;

export type ScalarHash = (value: Scalar) => number;

export function createScalarHash(): ScalarHash {
  const words = new Int32Array(2);
  const double = new Float64Array(words.buffer);
  const long = new BigInt64Array(words.buffer);

  return (value) => {
    if (typeof value === 'string') {
      let a = SEED_A;
      let b = SEED_B;
      for (let i = 0; i < value.length; i++) {
        const word = value.charCodeAt(i);
        a = takeA(a, word);
        b = takeB(b, word);
      }
      return mixed(takeA(a, value.length), takeB(b, value.length));
    }
    if (typeof value === 'bigint') long[0] = value;
    else double[0] = Number(value);
    const [first, second] = [words[0] as number, words[1] as number];
    return mixed(takeA(takeA(SEED_A, first), second), takeB(takeB(SEED_B, first), second));
  };
}

// The shifts keep words that differ in their highest bits only from cancelling out in both lanes.

function takeA(lane: number, word: number): number {
  const product = Math.imul(lane ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}

function takeB(lane: number, word: number): number {
  const product = Math.imul(lane ^ word, 0x5f356495);
  return product ^ (product >>> 13);
}

/** The low 32 bits of the hash depend on both lanes, and so do the 21 above them. */
function mixed(a: number, b: number): number {
  const low = finish(a ^ Math.imul(b ^ (b >>> 16), 0x85ebca6b));
  return (finish(b ^ low) & HIGH_MASK) * LOW + low;
}

function finish(lane: number): number {
  let word = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
