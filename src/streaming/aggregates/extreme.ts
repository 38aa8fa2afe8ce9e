/** The least and the greatest value. */
import type { Scalar } from '../../project/value.ts';
import type { Aggregate } from './aggregate.ts';

interface Extreme {
  value: Scalar | null;
}

export const min = extreme('min', (a, b) => a < b);
export const max = extreme('max', (a, b) => a > b);

/** JavaScript orders a number and a bigint by what they stand for, so int64 needs no care. */
function extreme(form: string, isBetter: (a: Scalar, b: Scalar) => boolean): Aggregate<Extreme> {
  const add = (state: Extreme, value: Scalar): void => {
    if (state.value === null || isBetter(value, state.value)) state.value = value;
  };
  return {
    form,
    create: () => ({ value: null }),
    add,
    copy: ({ value }) => ({ value }),
    merge(into, { value }) {
      if (value !== null) add(into, value);
    },
    result: (state) => state.value,
    encode: (state) => state.value,
    decode: (encoded) => ({ value: encoded as Scalar | null }),
    bytes: () => 48,
  };
}
