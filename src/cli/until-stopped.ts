/** Resolves at the first of the signals. A second one ends the process at once. */
export async function untilStopped(
  signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT'],
): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      for (const name of signals) {
        process.removeListener(name, stop);
        process.once(name, () => process.exit(1));
      }
      resolve(signal);
    };
    for (const name of signals) process.on(name, stop);
  });
}

/**
 * The result of work that a signal may overtake. Before a server is ready nobody waits for an answer, so there is
 * nothing to finish: the process then ends at once, with 0.
 */
export async function unlessStopped<T>(work: Promise<T>, stop: Promise<unknown>): Promise<T> {
  let isDone = false;
  const endEarly = async (): Promise<void> => {
    await stop;
    if (!isDone) process.exit(0);
  };
  void endEarly();
  try {
    return await work;
  } finally {
    isDone = true;
  }
}
