/** Of an endpoint; of more, the ones that have put nothing for the longest time are dropped. */
export const SAMPLES_PROCESSES_MAX = 256;
