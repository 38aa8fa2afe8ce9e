/** What a key may be allowed to do. */
export const scopes = [
  'predict',
  'features:read',
  'features:write',
  'features:protected',
  'events:write',
  'rollouts:write',
  'models:write',
  'metrics:read',
] as const;

export type Scope = (typeof scopes)[number];

/** Whom a call takes: everybody, whoever has a key, or who has one of the scopes. */
export type RouteScopes = 'anyone' | 'any key' | readonly Scope[];
