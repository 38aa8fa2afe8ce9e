import { MillraceError } from '../../src/errors.ts';

/** The error with which a call is refused. */
export async function refusal(call: () => unknown): Promise<MillraceError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
  throw new Error('the call was not refused');
}
