/**
 * The requests that have no answer yet, with the time from which each is counted. Tickets are given in order of time,
 * so the oldest open one is found without a search. One number a request, in a ring that grows when it must.
 */

const FIRST_CAPACITY = 4096;

export class Ledger {
  /** Times by ticket; NaN = settled. */
  private times: Float64Array = new Float64Array(FIRST_CAPACITY).fill(NaN);
  private oldest = 0;
  private following = 0;

  /** The ticket that `open` gives next. */
  get nextTicket(): number {
    return this.following;
  }

  get isEmpty(): boolean {
    this.skipSettled();
    return this.oldest === this.following;
  }

  /** @param timeUs not before that of the last ticket */
  open(timeUs: number): number {
    if (this.following - this.oldest === this.times.length) {
      this.skipSettled();
      if (this.following - this.oldest > this.times.length >> 1) this.grow();
    }
    const ticket = this.following++;
    this.times[ticket % this.times.length] = timeUs;
    return ticket;
  }

  /** NaN when the ticket is settled. */
  timeOf(ticket: number): number {
    if (ticket < this.oldest || ticket >= this.following) return NaN;
    return this.times[ticket % this.times.length] as number;
  }

  /** The ticket's time; NaN when it was settled before, and then this changes nothing. */
  settle(ticket: number): number {
    const timeUs = this.timeOf(ticket);
    if (ticket >= this.oldest && ticket < this.following) this.times[ticket % this.times.length] = NaN;
    return timeUs;
  }

  /** The oldest open ticket if its time is before `timeUs`; else -1. */
  openBefore(timeUs: number): number {
    this.skipSettled();
    return this.oldest < this.following && this.timeOf(this.oldest) < timeUs ? this.oldest : -1;
  }

  private skipSettled(): void {
    while (this.oldest < this.following && Number.isNaN(this.times[this.oldest % this.times.length])) {
      this.oldest++;
    }
  }

  private grow(): void {
    const wider = new Float64Array(this.times.length * 2).fill(NaN);
    for (let ticket = this.oldest; ticket < this.following; ticket++) {
      wider[ticket % wider.length] = this.times[ticket % this.times.length] as number;
    }
    this.times = wider;
  }
}
