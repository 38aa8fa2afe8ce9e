/**
 * Lets a process end while worker threads run models. Node ends its threads when the process exits. ONNX Runtime
 * cannot be stopped in a run: the exit waits for the run, and then the process is aborted, because the run cannot give
 * its result to a thread that is ending. So the exit waits here until no thread is in ONNX Runtime. A run that takes
 * longer may never end; then the process ends itself by SIGTERM, the one way out that waits for no thread.
 *
 * Each thread has one int32 in shared memory: 1 = it loads, runs or releases a model.
 */
export interface ExitGuard {
  watch(busy: Int32Array): void;
  unwatch(busy: Int32Array): void;
}

const EXIT_WAIT_MS = 1000;

export function createExitGuard(): ExitGuard {
  const watched = new Set<Int32Array>();
  const wait = (): void => {
    const endMs = performance.now() + EXIT_WAIT_MS;
    for (const busy of watched) Atomics.wait(busy, 0, 1, Math.max(0, endMs - performance.now()));
    if ([...watched].every((busy) => Atomics.load(busy, 0) === 0)) return;
    process.removeAllListeners('SIGTERM');
    process.kill(process.pid, 'SIGTERM');
  };
  return {
    watch(busy) {
      if (watched.size === 0) process.on('exit', wait);
      watched.add(busy);
    },
    unwatch(busy) {
      watched.delete(busy);
      if (watched.size === 0) process.removeListener('exit', wait);
    },
  };
}

export function markBusy(busy: Int32Array): void {
  Atomics.store(busy, 0, 1);
}

export function markIdle(busy: Int32Array): void {
  Atomics.store(busy, 0, 0);
  Atomics.notify(busy, 0);
}
