import { MillraceError } from '../errors.ts';
import type { Endpoint, Project } from '../project/project.ts';
import { suggestName } from '../project/suggestion.ts';

/** @throws MillraceError UNKNOWN_ENDPOINT with what was meant, perhaps */
export function findEndpoint({ endpoints }: Project, name: string): Endpoint {
  const endpoint = endpoints.get(name);
  if (endpoint !== undefined) return endpoint;
  const suggestion = suggestName(name, endpoints.keys(), 'endpoints');
  throw new MillraceError('UNKNOWN_ENDPOINT', `there is no endpoint "${name}"; ${suggestion}`);
}
