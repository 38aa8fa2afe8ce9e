/** The shape of the load that both servers get. */
export const FEATURES = 32;
/** Entities with features; the cold-key bodies ask for others as well. */
export const USERS = 1000;
export const CONNECTIONS = 64;
const ROWS = 32;

export type Body = Readonly<Record<string, unknown>>;

/** A body of one row. */
export function oneRowBody(user: number): Body {
  return { rows: [{ user_id: `user-${user}`, item: `item-${user}` }] };
}

/** A body of 32 rows, or of as many as are said, for one user, who stands in the context. */
export function manyRowBody(user: number, rows: number = ROWS): Body {
  return {
    context: { user_id: `user-${user}` },
    rows: Array.from({ length: rows }, (_, i) => ({ item: `item-${i}` })),
  };
}

/** One body for each user. */
export function bodiesOfUsers(make: (user: number) => Body): Body[] {
  return Array.from({ length: USERS }, (_, user) => make(user));
}

/** The 32 features of a user. Every peer holds the same. */
export function featuresOf(user: number): number[] {
  return Array.from({ length: FEATURES }, (_, f) => Math.sin(user * FEATURES + f));
}
