import type { Aggregation } from '../../project/project.ts';
import type { Aggregate } from './aggregate.ts';
import { countDistinct } from './count-distinct.ts';
import { ends } from './ends.ts';
import { max, min } from './extreme.ts';
import { count, mean, sum, variance } from './moments.ts';
import { quantile } from './quantile.ts';
import { topK } from './top-k.ts';

/** A state whose form only its own aggregate knows. */
export type AnyAggregate = Aggregate<unknown>;

export function aggregateOf({ name, count: n }: Pick<Aggregation, 'name' | 'count'>): AnyAggregate {
  switch (name) {
    case 'count':
      return count;
    case 'sum':
      return sum;
    case 'mean':
      return mean;
    case 'variance':
      return variance;
    case 'min':
      return min;
    case 'max':
      return max;
    case 'first':
      return ends(1, n);
    case 'last':
      return ends(-1, n);
    case 'count_distinct':
      return countDistinct();
    case 'top_k':
      return topK(n);
    case 'quantile':
      return quantile;
  }
}
