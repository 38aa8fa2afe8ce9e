/** Why a view that is computed from events takes no rows, from a push or from a file: they would be computed over. */
import type { FeatureView, Stream } from '../project/project.ts';

export function refuseRows({ name }: FeatureView, { event }: Stream): string {
  return `The feature view "${name}" is computed from "${event.name}" events and takes no rows; send events instead.`;
}
