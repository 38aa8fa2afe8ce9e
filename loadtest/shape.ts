/** The shape of the load that both servers get. */
export const FEATURES = 32;
/** Entities with features; the cold-key bodies ask for others as well. */
export const USERS = 1000;
export const CONNECTIONS = 64;

/** Bodies of one row each, of different users. */
export function oneRowBodies(): string[] {
  return Array.from({ length: USERS }, (_, u) =>
    JSON.stringify({ rows: [{ user_id: `user-${u}`, item: `item-${u}` }] }),
  );
}

/** Bodies of 32 rows for one user, who stands in the context. */
export function manyRowBodies(): string[] {
  return Array.from({ length: USERS }, (_, u) =>
    JSON.stringify({
      context: { user_id: `user-${u}` },
      rows: Array.from({ length: 32 }, (_row, i) => ({ item: `item-${i}` })),
    }),
  );
}

/** The 32 features of a user. Every peer holds the same. */
export function featuresOf(user: number): number[] {
  return Array.from({ length: FEATURES }, (_, f) => Math.sin(user * FEATURES + f));
}
