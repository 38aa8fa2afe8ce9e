/** Inferences with binary tensors: bodies and answers byte by byte. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ElementType } from '../../../src/inference/session.ts';
import { datatypes } from '../../../src/serving/datatype.ts';
import { tensorServer } from './tensor-server.ts';
import type { Answer, TensorServer } from './tensor-server.ts';

let served: TensorServer;
beforeAll(async () => {
  served = await tensorServer();
});
afterAll(async () => served.close());

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** A call of JSON and the bytes behind it. */
async function call(model: string, json: unknown, ...bytes: readonly Buffer[]): Promise<Answer> {
  const text = Buffer.from(JSON.stringify(json));
  return served.infer(model, Buffer.concat([text, ...bytes]), text.length);
}

const input = (name: string, datatype: string, shape: readonly number[], size: number): object => ({
  name,
  datatype,
  shape,
  parameters: { binary_data_size: size },
});

describe('a call byte by byte', () => {
  it('has its JSON, then the tensor; and so has the answer', async () => {
    // {"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],
    // "outputs":[{"name":"y","parameters":{"binary_data":true}}]} and 1.5, -2
    const json = hex(`
      7b22696e70757473223a5b7b226e616d65223a2278222c227368617065223a5b312c325d2c226461746174797065223a2246503332222c
      22706172616d6574657273223a7b2262696e6172795f646174615f73697a65223a387d7d5d2c226f757470757473223a5b7b226e616d65
      223a2279222c22706172616d6574657273223a7b2262696e6172795f64617461223a747275657d7d5d7d`);
    const answer = await served.infer('float', Buffer.concat([json, hex('0000c03f 000000c0')]), json.length);
    expect(answer.status).toBe(200);
    expect(answer.contentType).toBe('application/octet-stream');
    // {"model_name":"float","model_version":"3","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],
    // "parameters":{"binary_data_size":8}}]} and the same numbers
    const expected = hex(`
      7b226d6f64656c5f6e616d65223a22666c6f6174222c226d6f64656c5f76657273696f6e223a2233222c226f757470757473223a5b7b22
      6e616d65223a2279222c226461746174797065223a2246503332222c227368617065223a5b312c325d2c22706172616d6574657273223a
      7b2262696e6172795f646174615f73697a65223a387d7d5d7d`);
    expect(answer.jsonBytes).toBe(expected.length);
    expect(answer.bytes).toEqual(Buffer.concat([expected, hex('0000c03f 000000c0')]));
  });

  const tensors: [string, string][] = [
    ['float32', '0000c03f 00007fc0'],
    ['float64', '000000000000f83f 00000000000000c0'],
    ['float16', '003e 00c0'],
    ['int8', '80 7f'],
    ['int16', '0080 ff7f'],
    ['int32', '00000080 ffffff7f'],
    ['int64', '0000000000000080 ffffffffffffff7f'],
    ['uint8', '00 ff'],
    ['uint16', '0000 ffff'],
    ['uint32', '00000000 ffffffff'],
    ['uint64', '0000000000000000 ffffffffffffffff'],
    ['bool', '01 00'],
    ['string', '00000000 03000000 e282ac'],
  ];

  it('has every datatype, in one body, whatever lies where', async () => {
    const inputs = tensors.map(([name, bytes]) =>
      input(name, datatypes[name as ElementType], [1, 2], hex(bytes).length),
    );
    const all = tensors.map(([, bytes]) => hex(bytes));
    for (const order of [1, -1]) {
      const answer = await call(
        'every',
        {
          id: 'x'.repeat(order + 2),
          inputs: order === 1 ? inputs : inputs.toReversed(),
          parameters: { binary_data_output: true },
          outputs: tensors.map(([name]) => ({ name: `y_${name}` })),
        },
        ...(order === 1 ? all : all.toReversed()),
      );
      expect(answer.json['error']).toBeUndefined();
      expect(answer.bytes.subarray(answer.jsonBytes)).toEqual(Buffer.concat(all));
      const sizes = (answer.json['outputs'] as { parameters: object }[]).map(({ parameters }) => parameters);
      expect(sizes).toEqual(all.map((bytes) => ({ binary_data_size: bytes.length })));
    }
  });

  it('may mix JSON and bytes, in inputs and in outputs', async () => {
    const bytes = tensors.slice(1).map(([, text]) => hex(text));
    const [first, ...others] = tensors.map(([name], i) => {
      const datatype = datatypes[name as ElementType];
      return input(name, datatype, [1, 2], hex(tensors[i]?.[1] ?? '').length);
    });
    const inJson = { ...first, parameters: {}, data: [1.5, -2] };
    const outputs = [
      { name: 'y_float32' },
      { name: 'y_int16', parameters: { binary_data: true } },
      { name: 'y_string', parameters: { binary_data: false } },
    ];
    const answer = await call('every', { inputs: [inJson, ...others], outputs }, ...bytes);
    expect(answer.json['outputs']).toEqual([
      { name: 'y_float32', datatype: 'FP32', shape: [1, 2], data: [1.5, -2] },
      { name: 'y_int16', datatype: 'INT16', shape: [1, 2], parameters: { binary_data_size: 4 } },
      { name: 'y_string', datatype: 'BYTES', shape: [1, 2], data: ['', '€'] },
    ]);
    expect(answer.bytes.subarray(answer.jsonBytes)).toEqual(hex('0080 ff7f'));
  });

  it('gives binary outputs where no output is named, as clients ask for it', async () => {
    const body = { inputs: [input('x', 'FP32', [1, 2], 8)], parameters: { binary_data_output: true } };
    const answer = await call('float', body, hex('0000c03f 000000c0'));
    expect(answer.bytes.subarray(answer.jsonBytes)).toEqual(hex('0000c03f 000000c0'));
    expect(answer.json['parameters']).toBeUndefined();
  });

  it('keeps infinities and the bits of NaN', async () => {
    const bytes = hex('0000807f 0100c07f');
    const body = { inputs: [input('x', 'FP32', [1, 2], 8)], parameters: { binary_data_output: true } };
    const answer = await call('float', body, bytes);
    expect(answer.bytes.subarray(answer.jsonBytes)).toEqual(bytes);
  });

  it('is one input and nothing else where the header says 0', async () => {
    const float = await served.infer('float', hex('0000c03f 000000c0 00000000 0000803f'), 0);
    expect(float.json['outputs']).toMatchObject([{ shape: [2, 2], parameters: { binary_data_size: 16 } }]);
    expect(float.bytes.subarray(float.jsonBytes)).toEqual(hex('0000c03f 000000c0 00000000 0000803f'));
    const text = await served.infer('text', hex('e282ac'), 0);
    expect(text.json['outputs']).toMatchObject([{ shape: [1] }]);
    expect(text.bytes.subarray(text.jsonBytes)).toEqual(hex('03000000 e282ac'));
    const flags = await served.infer('flags', hex('01 00 01'), 0);
    expect(flags.json['outputs']).toMatchObject([{ shape: [1, 3] }]);
  });

  it('is large, and comes in pieces', async () => {
    const rows = 1000;
    const bytes = Buffer.from(Float32Array.from({ length: 2 * rows }, (_, i) => i).buffer);
    const inputs = [input('x', 'FP32', [rows, 2], bytes.length)];
    const answer = await call('float', { inputs, parameters: { binary_data_output: true } }, bytes);
    expect(answer.bytes.subarray(answer.jsonBytes)).toEqual(bytes);
    const long = 'long '.repeat(100_000);
    const text = Buffer.concat([hex('20a10700'), Buffer.from(long)]);
    const answered = await call('text', { inputs: [input('x', 'BYTES', [1], text.length)] }, text);
    expect(answered.json['outputs']).toMatchObject([{ data: [long] }]);
  });
});

describe('bytes that do not fit', () => {
  const float = (size: unknown, more: object = {}): object => ({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: size }, ...more }],
  });
  const flags = { inputs: [input('x', 'BOOL', [1, 2], 2)] };
  const text = (size: number, shape: readonly number[] = [1]): object => ({
    inputs: [input('x', 'BYTES', shape, size)],
  });
  const wrong: [string, string, object, string, string, string][] = [
    [
      'fewer than are said',
      'float',
      float(12),
      '00'.repeat(8),
      'inputs[0].parameters.binary_data_size',
      'is 12, and 8 bytes are left',
    ],
    [
      'more than are said',
      'float',
      float(8),
      '00'.repeat(9),
      'inputs',
      'take 8 bytes behind the JSON, and there are 9',
    ],
    [
      'another number than the shape has',
      'float',
      float(4),
      '00'.repeat(4),
      'inputs[0].data',
      'has 4 bytes, and 2 elements take 8',
    ],
    [
      'a size that is none',
      'float',
      float('8'),
      '00'.repeat(8),
      'inputs[0].parameters.binary_data_size',
      'must be a number of bytes',
    ],
    [
      'data beside them',
      'float',
      float(8, { data: [1, 2] }),
      '00'.repeat(8),
      'inputs[0].data',
      'is there beside a binary_data_size',
    ],
    ['a flag of 2', 'flags', flags, '0102', 'inputs[0].data', 'neither 0 nor 1'],
    [
      'a text that ends too soon',
      'text',
      text(6),
      '05000000 6161',
      'inputs[0].data',
      'ends inside of element 0',
    ],
    ['a length that ends too soon', 'text', text(2), '0500', 'inputs[0].data', 'ends inside of element 0'],
    [
      'text that is no UTF-8',
      'text',
      text(5),
      '01000000 ff',
      'inputs[0].data',
      'an element 0 that is not valid UTF-8',
    ],
    [
      'a text too many',
      'text',
      text(8),
      '00000000 00000000',
      'inputs[0].data',
      '4 bytes more than its 1 elements',
    ],
    [
      'a text too few',
      'text',
      text(4, [2]),
      '00000000',
      'inputs[0].data',
      'has 1 elements, and its shape has 2',
    ],
  ];
  it.each(wrong)('are named: %s', async (_, model, json, bytes, path, message) => {
    const { status, json: answer } = await call(model, json, hex(bytes));
    expect(status).toBe(400);
    expect((answer['details'] as object[])[0]).toEqual({ path, message: expect.stringContaining(message) });
  });

  it.each([
    ['float', 9999, '{}', 'The header Inference-Header-Content-Length is "9999", and the body has 2 bytes.'],
    ['float', Number.NaN, '{}', 'The header Inference-Header-Content-Length is "NaN"'],
    ['float', 0, 'abc', 'body has 3 bytes that are no tensor of FP32'],
    ['float', 0, 'abcd', 'inputs[0].shape is [0.5, 2]'],
    ['every', 0, 'abcd', 'The model every has 13 inputs'],
  ])('are said by the header: %s %d', async (model, jsonBytes, body, message) => {
    const { status, json } = await served.infer(model, Buffer.from(body), jsonBytes);
    expect(status).toBe(400);
    expect(json['error']).toContain(message);
  });
});
