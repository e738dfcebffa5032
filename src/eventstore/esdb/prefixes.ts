/** Whether a stream of this name is asked for. */
export const matcherOf = (
  prefixes: readonly string[] | undefined,
): ((stream: string) => boolean) =>
  prefixes === undefined
    ? () => true
    : (stream) => prefixes.some((prefix) => stream.startsWith(prefix));

/**
 * The same for the server, as a regular expression for the names of streams; never the store's own. Its prefixes are no
 * such: it compares by culture, so that `v-` does not begin `v-` with a combining accent behind (measured on 23.10, at the
 * same speed), U+0000 begins every name, and an empty list is no filter.
 */
export const regexOf = (prefixes: readonly string[] | undefined): string => {
  if (prefixes === undefined || prefixes.includes('')) return '^[^$]';
  if (prefixes.length === 0) return '(?!)'; // matches nothing
  return `^(?:${prefixes.map(escaped).join('|')})`;
};

/** For .NET and for JavaScript. */
const escaped = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
