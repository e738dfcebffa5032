/** @returns whether the name of a stream begins with one of these; without prefixes every name matches */
export const matcherOf = (
  prefixes: readonly string[] | undefined,
): ((stream: string) => boolean) =>
  prefixes === undefined
    ? () => true
    : (stream) => prefixes.some((prefix) => stream.startsWith(prefix));

/**
 * The same for the server, as a regular expression on the names of streams. It never matches the store's own streams.
 *
 * The server's own prefix filter compares by culture: `v-` is not a prefix of `v-` with a combining accent behind it,
 * U+0000 is a prefix of every name, and an empty list is no filter (measured on 23.10). A regular expression is as fast.
 */
export const regexOf = (prefixes: readonly string[] | undefined): string => {
  if (prefixes === undefined || prefixes.includes('')) return '^[^$]';
  if (prefixes.length === 0) return '(?!)'; // matches nothing
  return `^(?:${prefixes.map(escaped).join('|')})`;
};

/** Escapes a text for regular expressions of .NET and JavaScript. */
const escaped = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
