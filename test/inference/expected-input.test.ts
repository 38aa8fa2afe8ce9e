import { describe, expect, it } from 'vitest';
import { batchRowsMax, expectedInput, refuseInput } from '../../src/inference/expected-input.ts';
import type { TensorSpec } from '../../src/inference/session.ts';

const input = (...shape: (number | undefined)[]): TensorSpec => ({
  name: 'x',
  elementType: 'float32',
  shape,
});
const open = undefined;

describe('an input takes per row', () => {
  it.each([
    ['one value if it has only the batch', [open], 1, []],
    ['as many values as its second dimension', [open, 5], 5, [5]],
    ['the product of its inner dimensions', [open, 2, 3, 4], 24, [2, 3, 4]],
    ['the same with a batch of 1', [1, 2, 3], 6, [2, 3]],
  ])('%s', (_, shape, width, tail) => {
    const expected = expectedInput(input(...shape));
    expect(expected.width).toBe(width);
    expect(expected.tail(width)).toEqual(tail);
    expect(expected.refuseWidth(width)).toBeUndefined();
  });

  it('any number of values if it leaves its second dimension open', () => {
    const expected = expectedInput(input(open, open));
    expect(expected.width).toBeUndefined();
    expect(expected.refuseWidth(7)).toBeUndefined();
    expect(expected.tail(7)).toEqual([7]);
  });

  it('a multiple of its fixed dimensions if it leaves another open', () => {
    const expected = expectedInput(input(open, 2, open, 3));
    expect(expected.width).toBeUndefined();
    expect(expected.refuseWidth(12)).toBeUndefined();
    expect(expected.tail(12)).toEqual([2, 2, 3]);
    expect(expected.refuseWidth(8)).toBe(
      'The input "x" [batch, 2, ?, 3] takes a multiple of 6 values per row, not 8.',
    );
    expect(expected.refuseWidth(0)).toBe(
      'The input "x" [batch, 2, ?, 3] takes a multiple of 6 values per row, not 0.',
    );
  });

  it('nothing but its width', () => {
    const expected = expectedInput(input(open, 3));
    expect(expected.refuseWidth(4)).toBe('The input "x" [batch, 3] takes 3 values per row, not 4.');
  });
});

describe('an input that rows cannot be fed to', () => {
  it.each([
    [
      [],
      'The input "x" [] has no dimension for the batch. Export the model with inputs of the shape [batch, …].',
    ],
    [
      [4, 2],
      'The input "x" [4, 2] takes exactly 4 rows a run. Export the model with an open batch dimension ' +
        '(dynamic_axes or dynamic_shapes in PyTorch), or with a batch of 1.',
    ],
    [
      [open, open, open],
      'The input "x" [batch, ?, ?] leaves more than one dimension open besides the batch. ' +
        'Export the model with all but one fixed.',
    ],
    [[open, 0], 'The input "x" [batch, 0] has an empty dimension. Export the model without this input.'],
  ])('is refused with a sentence: %j', (shape, sentence) => {
    expect(refuseInput(input(...shape))).toBe(sentence);
  });

  it.each([[[open]], [[open, 3]], [[1, 3]], [[open, open, 3]]])('is none of %j', (shape) => {
    expect(refuseInput(input(...shape))).toBeUndefined();
  });
});

it('a batch of 1 in any input makes runs of one row', () => {
  expect(batchRowsMax([input(open, 2), input(open)], 64)).toBe(64);
  expect(batchRowsMax([input(open, 2), input(1)], 64)).toBe(1);
});
