/** What is wrong with an expression: one sentence that quotes the part it is about, and maybe what to write instead. */
export class ExpressionError extends Error {
  override readonly name: string = 'ExpressionError';
  readonly suggestion: string | undefined;
  /** Where the part begins, counted from 0; undefined = the expression as a whole. */
  readonly position: number | undefined;

  constructor(message: string, suggestion?: string, position?: number) {
    super(position === undefined ? message : `${message} (at character ${position + 1})`);
    this.suggestion = suggestion;
    this.position = position;
  }

  /** The same error, of the same class, with a position. */
  locatedAt(position: number): ExpressionError {
    return new ExpressionError(this.message, this.suggestion, position);
  }
}

/** A name that means nothing in the scope; it may be right if the scope is known to lack something. */
export class UnknownNameError extends ExpressionError {
  override readonly name = 'UnknownNameError';
  /** What was looked for: `request field`, `feature` … */
  readonly kind: string;
  /** The part of the name that means nothing. */
  readonly wanted: string;

  constructor(kind: string, wanted: string, message: string, suggestion?: string, position?: number) {
    super(message, suggestion, position);
    this.kind = kind;
    this.wanted = wanted;
  }

  override locatedAt(position: number): UnknownNameError {
    return new UnknownNameError(this.kind, this.wanted, this.message, this.suggestion, position);
  }
}

/** Runs one step of the walk over an expression; an error that has no position yet gets the one of this step. */
export function atPosition<T>(position: number, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof ExpressionError) || error.position !== undefined) throw error;
    throw error.locatedAt(position);
  }
}
