/** Small ONNX models, made here: graphs that a test needs in many forms. */
import type { ElementType } from '../../src/inference/session.ts';

/** A tensor of the graph; a name among the dimensions leaves it open. */
export interface OnnxTensor {
  readonly name: string;
  /** `sequence` = a sequence of float32 tensors. */
  readonly type: ElementType | 'sequence';
  readonly shape: readonly (number | string)[];
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Of a Cast: the type to make. */
  readonly to?: ElementType;
}

/** Weights: float32. */
export interface OnnxWeights {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly weights?: readonly OnnxWeights[];
  readonly inputs: readonly OnnxTensor[];
  readonly outputs: readonly OnnxTensor[];
}

/** Gives each input `x` back as `y`, or what is named like it with a `y` in front. */
export function identityModel(inputs: readonly OnnxTensor[]): Buffer {
  const outputs = inputs.map((input) => ({ ...input, name: answerName(input.name) }));
  const nodes = inputs.map(({ name }) => ({ op: 'Identity', inputs: [name], outputs: [answerName(name)] }));
  return onnxModel({ nodes, inputs, outputs });
}

function answerName(name: string): string {
  return name === 'x' ? 'y' : `y_${name}`;
}

/** `y = x - mean(x)` over all rows: each has an answer of its own, which those beside it change. */
export function centred(batch: string): Buffer {
  return onnxModel({
    nodes: [
      { op: 'ReduceMean', inputs: ['x'], outputs: ['mean'] },
      { op: 'Sub', inputs: ['x', 'mean'], outputs: ['y'] },
    ],
    inputs: [{ name: 'x', type: 'float32', shape: [batch, 1] }],
    outputs: [{ name: 'y', type: 'float32', shape: [batch, 1] }],
  });
}

const ELEMENT_NUMBERS: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

export function onnxModel({ nodes, weights = [], inputs, outputs }: OnnxGraph): Buffer {
  const graph = Buffer.concat([
    ...nodes.map((node) => field(1, nodeProto(node))),
    field(2, Buffer.from('graph')),
    ...weights.map((tensor) => field(5, tensorProto(tensor))),
    ...inputs.map((tensor) => field(11, valueInfo(tensor))),
    ...outputs.map((tensor) => field(12, valueInfo(tensor))),
  ]);
  const opset = Buffer.concat([field(1, Buffer.alloc(0)), number(2, 17)]);
  return Buffer.concat([number(1, 8), field(7, graph), field(8, opset)]);
}

function tensorProto({ name, shape, values }: OnnxWeights): Buffer {
  return Buffer.concat([
    ...shape.map((dim) => number(1, dim)),
    number(2, ELEMENT_NUMBERS.float32),
    field(8, Buffer.from(name)),
    field(9, Buffer.from(values.buffer, values.byteOffset, values.byteLength)),
  ]);
}

function nodeProto({ op, inputs, outputs, to }: OnnxNode): Buffer {
  const cast =
    to && Buffer.concat([field(1, Buffer.from('to')), number(3, ELEMENT_NUMBERS[to]), number(20, 2)]);
  return Buffer.concat([
    ...inputs.map((name) => field(1, Buffer.from(name))),
    ...outputs.map((name) => field(2, Buffer.from(name))),
    field(4, Buffer.from(op)),
    ...(cast === undefined ? [] : [field(5, cast)]),
  ]);
}

function valueInfo({ name, type, shape }: OnnxTensor): Buffer {
  const dims = shape.map((dim) =>
    field(1, typeof dim === 'number' ? number(1, dim) : field(2, Buffer.from(dim))),
  );
  const tensor = (elementNumber: number): Buffer =>
    field(1, Buffer.concat([number(1, elementNumber), field(2, Buffer.concat(dims))]));
  const proto = type === 'sequence' ? field(4, field(1, tensor(1))) : tensor(ELEMENT_NUMBERS[type]);
  return Buffer.concat([field(1, Buffer.from(name)), field(2, proto)]);
}

/** A protobuf field of bytes. */
function field(id: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint((id << 3) | 2), varint(bytes.length), bytes]);
}

function number(id: number, value: number): Buffer {
  return Buffer.concat([varint(id << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
