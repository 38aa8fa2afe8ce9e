/**
 * A project whose versions tell themselves: version `k` of the model answers `1000 k + k` for a request of 0, of which the
 * thousands come from its transform and the rest from its weights. An answer of half of each would be another number.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onnxModel } from '../inference/onnx-model.ts';

const PADDING_FLOATS = 250_000;

/** `y = x + bias`, with a megabyte of weights that a leak would show. */
export function numberedModel(bias: number, paddingFloats: number = PADDING_FLOATS): Buffer {
  const column = { type: 'float32', shape: ['batch', 1] } as const;
  return onnxModel({
    inputs: [{ name: 'x', ...column }],
    outputs: [{ name: 'y', ...column }],
    weights: [
      { name: 'bias', shape: [1], values: Float32Array.of(bias) },
      { name: 'zero', shape: [1], values: Float32Array.of(0) },
      { name: 'padding', shape: [paddingFloats], values: new Float32Array(paddingFloats) },
    ],
    nodes: [
      { op: 'Mul', inputs: ['x', 'zero'], outputs: ['nought'] },
      { op: 'Cast', inputs: ['nought'], outputs: ['first'], to: 'int64' },
      { op: 'Gather', inputs: ['padding', 'first'], outputs: ['padded'] },
      { op: 'Add', inputs: ['x', 'padded'], outputs: ['sum'] },
      { op: 'Add', inputs: ['sum', 'bias'], outputs: ['y'] },
    ],
  });
}

/** The answer of version `k` to a request of 0. */
export function numberedAnswer(version: number): number {
  return 1001 * version;
}

export async function writeVersion(dir: string, version: number, paddingFloats?: number): Promise<void> {
  const folder = join(dir, 'm', String(version));
  await mkdir(folder, { recursive: true });
  const description = { inputs: { x: [`request.a + ${1000 * version}`] } };
  await writeFile(join(folder, 'model.json'), JSON.stringify(description));
  await writeFile(join(folder, 'model.onnx'), numberedModel(version, paddingFloats));
}

/** Writes the project file as editors do: a new one in the place of the old one. */
export async function writeNumbered(
  dir: string,
  version: number | 'latest',
  sections: object = {},
): Promise<void> {
  const description = {
    project: 'numbered',
    endpoints: { m: { request: { a: 'float32' }, variants: { only: { model: `m@${version}` } } } },
    ...sections,
  };
  await writeFile(join(dir, '.next.json'), JSON.stringify(description));
  await rename(join(dir, '.next.json'), join(dir, 'millrace.json'));
}
