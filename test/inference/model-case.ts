/** The model files of test/cases/models, and what Python's onnxruntime answers for them (make_models.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ModelSession, TensorData, TensorSpec, TensorValue } from '../../src/inference/session.ts';
import { createBuffer } from '../../src/inference/tensor-buffer.ts';

interface CaseTensor {
  readonly dims: readonly number[];
  /** int64 as strings of digits; NaN and infinities as strings. */
  readonly values: readonly (number | string | boolean)[];
}

export interface ModelCase {
  readonly model: string;
  readonly inputs: Readonly<Record<string, CaseTensor>>;
  readonly outputs: Readonly<Record<string, CaseTensor>>;
}

export function modelPath(name: string): string {
  return fileURLToPath(new URL(`../cases/models/${name}`, import.meta.url));
}

export const modelCases = JSON.parse(
  readFileSync(modelPath('expected.json'), 'utf8'),
) as readonly ModelCase[];

/** One side of a case as tensors, in the order of the session's specs. */
export function caseTensors(
  specs: ModelSession['inputs'],
  tensors: Readonly<Record<string, CaseTensor>>,
): TensorValue[] {
  return specs.map((spec) => {
    const { dims, values } = tensors[spec.name] as CaseTensor;
    return { dims, data: tensorData(spec.elementType, values) };
  });
}

function tensorData(
  elementType: TensorSpec['elementType'],
  values: readonly (number | string | boolean)[],
): TensorData {
  const data = createBuffer(elementType, values.length);
  values.forEach((value, i) => {
    if (data instanceof BigInt64Array) data[i] = BigInt(value);
    else if (Array.isArray(data)) data[i] = String(value);
    else data[i] = Number(value);
  });
  return data;
}
