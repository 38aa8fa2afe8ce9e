/**
 * Names of what belongs to one partition of the event log: its records, its tiles, what was set aside. All have the hash
 * tag `{pN}`, so in a cluster they are on one server, and one script can change them in one step.
 */
export function partitionKey(project: string, what: string, partition: number): string {
  return `mr:${project}:${what}:{p${partition}}`;
}
