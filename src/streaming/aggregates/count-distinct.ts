/**
 * How many distinct values there are: exact up to 256, by a set of their hashes, then HyperLogLog. Two values of 256
 * have the same 53-bit hash once in 10^11 tiles.
 */
import type { Aggregate } from './aggregate.ts';
import { addHash, createRegisters, estimateCount, mergeRegisters } from './hyper-log-log.ts';
import type { Registers } from './hyper-log-log.ts';
import { createScalarHash } from './scalar-hash.ts';

const EXACT_MAX = 256;
const SET_ENTRY_BYTES = 40;

interface Distinct {
  /** Empty once there are registers. */
  readonly hashes: Set<number>;
  registers: Registers | null;
}

export function countDistinct(): Aggregate<Distinct> {
  const hashOf = createScalarHash();
  const addHashTo = (state: Distinct, hash: number): void => {
    if (state.registers !== null) {
      addHash(state.registers, hash);
      return;
    }
    state.hashes.add(hash);
    if (state.hashes.size > EXACT_MAX) useRegisters(state);
  };
  return {
    form: 'count_distinct',
    create: () => ({ hashes: new Set(), registers: null }),
    add(state, value) {
      addHashTo(state, hashOf(value));
    },
    copy: ({ hashes, registers }) => ({ hashes: new Set(hashes), registers: registers?.slice() ?? null }),
    merge(into, other) {
      if (other.registers !== null) mergeRegisters(useRegisters(into), other.registers);
      for (const hash of other.hashes) addHashTo(into, hash);
    },
    result: ({ hashes, registers }) => (registers === null ? hashes.size : estimateCount(registers)),
    encode: ({ hashes, registers }) => registers ?? [...hashes].toSorted((a, b) => a - b),
    decode(encoded) {
      // A copy: what MessagePack gives is a part of the buffer that it read.
      if (encoded instanceof Uint8Array) return { hashes: new Set(), registers: new Uint8Array(encoded) };
      return { hashes: new Set(encoded as number[]), registers: null };
    },
    bytes: ({ hashes, registers }) =>
      200 + (registers === null ? SET_ENTRY_BYTES * hashes.size : registers.length),
  };
}

function useRegisters(state: Distinct): Registers {
  if (state.registers !== null) return state.registers;
  const registers = createRegisters();
  for (const hash of state.hashes) addHash(registers, hash);
  state.hashes.clear();
  state.registers = registers;
  return registers;
}
