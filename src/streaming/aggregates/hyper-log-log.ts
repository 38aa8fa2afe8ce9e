/**
 * HyperLogLog: about how many distinct hashes were added, in 4 KiB. Each hash picks one of 4096 registers by 12 of its
 * bits, and the register keeps the longest run of leading zeros, plus one, that the other 41 bits of such hashes had.
 *
 * P. Flajolet et al., HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm (2007). The
 * estimate is the improved one of O. Ertl, New cardinality estimation algorithms for HyperLogLog sketches (2017),
 * section 4, which needs no table of corrections and is as exact for few as for many. The standard error is
 * 1.04 / sqrt(4096) = 1.6 %.
 */
const INDEX_BITS = 12;
const REGISTERS = 2 ** INDEX_BITS;
const LOW = 2 ** 32;
/** Bits of a hash that are not the index: 32 of the low word, 9 of the high one. */
const RUN_BITS = 41;
const RUN_HIGH_BITS = 9;
const ALPHA = 0.5 / Math.LN2;

export type Registers = Uint8Array;

export function createRegisters(): Registers {
  return new Uint8Array(REGISTERS);
}

/** @param hash 53 bits */
export function addHash(registers: Registers, hash: number): void {
  const high = Math.floor(hash / LOW);
  const index = high >>> RUN_HIGH_BITS;
  const runHigh = high & (2 ** RUN_HIGH_BITS - 1);
  const zeros =
    runHigh === 0 ? RUN_HIGH_BITS + Math.clz32(hash % LOW) : Math.clz32(runHigh) - (32 - RUN_HIGH_BITS);
  if (zeros + 1 > (registers[index] as number)) registers[index] = zeros + 1;
}

export function mergeRegisters(into: Registers, other: Registers): void {
  for (let i = 0; i < REGISTERS; i++) {
    const value = other[i] as number;
    if (value > (into[i] as number)) into[i] = value;
  }
}

export function estimateCount(registers: Registers): number {
  const counts = new Array<number>(RUN_BITS + 2).fill(0);
  for (const value of registers) counts[value] = (counts[value] as number) + 1;
  // Ertl also corrects for full registers. It takes some 2^41 values a register to have such.
  let inverse = 0;
  for (let value = RUN_BITS + 1; value >= 1; value--) inverse = (inverse + (counts[value] as number)) / 2;
  inverse += REGISTERS * sigma((counts[0] as number) / REGISTERS);
  return Math.round((ALPHA * REGISTERS * REGISTERS) / inverse);
}

/** Corrects for registers that are empty; Ertl, algorithm 5. */
function sigma(share: number): number {
  if (share === 1) return Infinity;
  let power = share;
  let weight = 1;
  let total = share;
  let previous: number;
  do {
    power *= power;
    previous = total;
    total += power * weight;
    weight += weight;
  } while (total !== previous);
  return total;
}
