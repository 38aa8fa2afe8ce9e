/** What is wrong with an expression: one sentence that quotes the part it is about, and maybe what to write instead. */
export class ExpressionError extends Error {
  override readonly name: string = 'ExpressionError';
  readonly suggestion: string | undefined;

  constructor(message: string, suggestion?: string) {
    super(message);
    this.suggestion = suggestion;
  }
}

/** A name that means nothing in the scope; it may be right if the scope is known to lack something. */
export class UnknownNameError extends ExpressionError {
  override readonly name = 'UnknownNameError';
}
