/** References to a model version, `flight-delay@2`, and the names that models and endpoints may have. */

/** Endpoints, models, variants and answer fields; they also name folders and metrics. */
export const namePattern: RegExp = /^[A-Za-z][A-Za-z0-9_.-]{0,127}$/;

/** Names of version folders. */
export const versionPattern: RegExp = /^\d{1,18}$/;

/** Stands for the newest version that can be served. */
export const LATEST = 'latest';

export interface ModelReference {
  readonly model: string;
  /** Digits, or `latest`. */
  readonly version: string;
}

/** `flight-delay@2` or `flight-delay@latest`; else a sentence that says what is wrong. */
export function parseModelReference(text: string): ModelReference | string {
  const [model = '', version = '', ...rest] = text.split('@');
  const isVersion = version === LATEST || versionPattern.test(version);
  if (rest.length === 0 && namePattern.test(model) && isVersion) return { model, version };
  return `"${text}" does not name a model version; write it like flight-delay@1 or flight-delay@latest`;
}
