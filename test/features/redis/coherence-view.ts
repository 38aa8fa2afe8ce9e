import type { FeatureView } from '../../../src/project/project.ts';
import { entityOf, viewOf } from '../sample-project.ts';

export const coherenceView: FeatureView = viewOf('numbers', entityOf('thing', { id: 'string' }), {
  x: 'float64',
});
