/**
 * Rows that differ, to find out what a model does with rows: the same ones in every process, so that what is found is.
 * A model may reject most numbers (indexes into a table, codes of categories), so there are smaller ones as well.
 */
import { expectedInput } from './expected-input.ts';
import { numberToFloat16 } from './float16.ts';
import type { TensorData, TensorSpec, TensorValue } from './session.ts';
import { createBuffer } from './tensor-buffer.ts';

/** In the order in which they are tried: numbers of any kind, or whole ones from 0 to 2, or to 1. */
export const probeKinds = ['any', 'to 2', 'to 1'] as const;

export type ProbeKind = (typeof probeKinds)[number];

/** Of the numbers: all element types hold them. */
const INTEGER_MAX = 99;
const FLOAT_MAX = 2;

/**
 * @param widths slots per row of each input
 * @param rows which rows, by their number: a row is the same in every batch
 */
export function probeInputs(
  specs: readonly TensorSpec[],
  widths: readonly number[],
  rows: readonly number[],
  kind: ProbeKind,
): TensorValue[] {
  return specs.map((spec, input) => {
    const width = widths[input] ?? 0;
    const data = createBuffer(spec.elementType, rows.length * width);
    rows.forEach((row, at) => {
      for (let slot = 0; slot < width; slot++)
        write(spec, data, at * width + slot, { input, row, slot }, kind);
    });
    return { data, dims: [rows.length, ...expectedInput(spec).tail(width)] };
  });
}

interface Place {
  readonly input: number;
  readonly row: number;
  readonly slot: number;
}

function write({ elementType }: TensorSpec, to: TensorData, at: number, place: Place, kind: ProbeKind): void {
  const cycle = place.row + place.slot;
  if (Array.isArray(to)) to.fill(cycle % 2 === 0 ? 'a' : 'b', at, at + 1);
  else if (elementType === 'bool') (to as Uint8Array).fill(cycle % 2, at, at + 1);
  else {
    const isFloat = elementType.startsWith('float');
    const number = kind === 'any' ? anyNumber(place, isFloat) : cycle % (kind === 'to 2' ? 3 : 2);
    if (elementType === 'int64' || elementType === 'uint64')
      (to as BigInt64Array).fill(BigInt(number), at, at + 1);
    else {
      const bits = elementType === 'float16' ? numberToFloat16(number) : number;
      (to as Float32Array).fill(bits, at, at + 1);
    }
  }
}

function anyNumber(place: Place, isFloat: boolean): number {
  const share = shareOf(place);
  return isFloat ? (2 * share - 1) * FLOAT_MAX : Math.floor(share * (INTEGER_MAX + 1));
}

/** From 0 to 1, evenly: a hash of the place (the finish of MurmurHash3). */
function shareOf({ input, row, slot }: Place): number {
  let hash =
    Math.imul(slot + 1, 0x9e37_79b1) ^ Math.imul(row + 1, 0x85eb_ca77) ^ Math.imul(input + 1, 0xc2b2_ae3d);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
