/** Operators' names: what lines to operators call them, and whom an operator means by a name. */
import type { Username } from '../../actors/ids.ts';

/**
 * The operator's name. If another operator has the same name, or that name as username, the username stands behind it.
 * Without a known name it is the username.
 */
export type NameOf = (username: Username) => string;

/** The names of a tenant's registered operators. */
export interface Names {
  readonly of: NameOf;
  /** The operator's name as it was registered, for somebody who knows no usernames; null if there is none. */
  plain(username: Username): string | null;
  /** Operators with this username, or else with this name. Letter case and accents do not count. */
  called(text: string): readonly Username[];
  /** Operators whose name or username has this word, such as their first name. */
  withWord(text: string): readonly Username[];
}

/** Letters with a stroke and the like, which Unicode does not take apart. */
const PLAIN: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
};

/** The text without letter case, accents and superfluous spaces, for comparisons. */
export const foldName = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{DI}]/gu, '')
    .toLowerCase()
    .replace(/[ßæœøłđðþı]/g, (letter) => PLAIN[letter] ?? letter)
    .replace(/\s+/g, ' ')
    .trim();

const wordsOf = (folded: string): string[] => folded.split(/[^\p{L}\p{N}]+/u).filter(Boolean);

/** @param known names by username; null where no name is known */
export function namesOf(known: ReadonlyMap<Username, string | null>): Names {
  const operators = [...known].map(([username, name]) => ({
    username,
    name: name === null || name === username ? null : name,
    folded: name === null ? username : foldName(name),
  }));
  const byName = Map.groupBy(operators, ({ folded }) => folded);
  const texts = new Map(
    operators.flatMap(({ username, name, folded }) => {
      if (name === null) return [];
      const isShared =
        (byName.get(folded)?.length ?? 0) > 1 ||
        (folded !== username && known.has(folded as Username)) || // a key that is looked for
        name.endsWith(')'); // it may look like another operator's name with the username
      return [[username, isShared ? `${name} (${username})` : name]];
    }),
  );
  return {
    of: (username) => texts.get(username) ?? username,
    plain: (username) => known.get(username) ?? null,
    called(text) {
      const wanted = foldName(text);
      const username = wanted as Username; // a key that is looked for; it may be none
      if (known.has(username)) return [username];
      return (byName.get(wanted) ?? []).map((operator) => operator.username);
    },
    withWord(text) {
      const wanted = wordsOf(foldName(text)).join(' ');
      if (wanted === '') return [];
      const has = (words: string): boolean =>
        ` ${wordsOf(words).join(' ')} `.includes(` ${wanted} `);
      return operators
        .filter(({ folded, username }) => has(folded) || has(username))
        .map(({ username }) => username);
    },
  };
}

/** `@username`, as a refusal has it. A full stop or dash behind it belongs to the sentence. */
const MENTION = /(?<![^\s(])@([a-z0-9_](?:[a-z0-9._-]{0,61}[a-z0-9_])?)/g;

/** Puts names in the places of usernames that are written with an @. Reasons are stored in facts, so they have no names. */
export const withNames = (text: string, nameOf: NameOf): string =>
  // A key that is looked for; without a name it stays what it is.
  text.replace(MENTION, (_mention, username: string) => nameOf(username as Username));
