/** Classes in place of a tensor, which the protocol's servers may offer, and this one does not. */

/** @param classification the parameter of an output: how many of the most likely classes; 0 = the tensor itself */
export function asksForClasses(classification: unknown): boolean {
  return classification !== undefined && classification !== null && Number(classification) !== 0;
}

export const noClasses = 'is not known here; ask for the tensor';
