/** Whether a stream of this name is asked for. */
export const matcherOf = (
  prefixes: readonly string[] | undefined,
): ((stream: string) => boolean) =>
  prefixes === undefined
    ? () => true
    : (stream) => prefixes.some((prefix) => stream.startsWith(prefix));

/** What no name begins with: they have no control characters. */
const NOTHING = '\u0000';

/** The same, for the server; never the store's own streams. */
export const serverFilterOf = (
  prefixes: readonly string[] | undefined,
): { filterOn: 'streamName' } & ({ prefixes: string[] } | { regex: string }) =>
  prefixes === undefined || prefixes.includes('')
    ? { filterOn: 'streamName', regex: '^[^$]' }
    : // The server takes an empty list for no filter.
      { filterOn: 'streamName', prefixes: prefixes.length === 0 ? [NOTHING] : [...prefixes] };
