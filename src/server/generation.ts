/**
 * The requests that one definition of the project answers. When another definition takes over, the one before is let go
 * once these are answered: not earlier, so that no request meets half of each, and not later than their deadline.
 */
export class Generation {
  private open = 0;
  private onIdle: (() => void) | undefined;

  enter(): void {
    this.open++;
  }

  leave(): void {
    this.open--;
    if (this.open === 0) this.onIdle?.();
  }

  /** Resolves when no request is left; to be called once no more can enter. */
  async whenIdle(): Promise<void> {
    if (this.open === 0) return;
    return new Promise((resolve) => {
      this.onIdle = resolve;
    });
  }
}
