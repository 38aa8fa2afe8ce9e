/** Model versions as the project reader makes them, for a model file of test/cases/models. */
import type { Location, ModelVersion } from '../../src/project/project.ts';
import { modelPath } from './model-case.ts';

export const yaml = (line: number, path: string): Location => ({ file: 'demo/model.yaml', line, path });

/**
 * @param inputs names of the ONNX inputs, on lines 10, 11 …
 * @param outputs answer field -> output tensor and perhaps column, on lines 20, 21 …
 */
export function modelVersion(
  file: string,
  inputs: readonly string[] = ['x'],
  outputs?: Readonly<Record<string, readonly [tensor: string, column?: number]>>,
): ModelVersion {
  return {
    model: file,
    version: '1',
    onnxPath: modelPath(`${file}.onnx`),
    isDescribed: true,
    bindings: [],
    inputs: inputs.map((name, i) => ({ name, expressions: [], location: yaml(10 + i, `inputs.${name}`) })),
    outputs:
      outputs &&
      Object.entries(outputs).map(([field, [tensor, column]], i) => ({
        field,
        tensor,
        column,
        location: yaml(20 + i, `outputs.${field}`),
      })),
    batching: { rowsMax: 8, delayMsMax: 0 },
    execution: 'auto',
    workers: undefined,
    queueRowsMax: 65_536,
    timeoutMs: undefined,
    warmup: true,
    location: yaml(1, ''),
  };
}
