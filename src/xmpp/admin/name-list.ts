/** Reads a JSON list of strings as it comes, so that the list of a million accounts is never in memory as one text. */

/** Names in one portion. */
export const NAMES_PER_PORTION = 1_000;
/** A name at most, as JSON has it: a local part has 1,023 bytes (RFC 7622 §3.3), and six characters for each if escaped. */
const MAX_NAME_CHARACTERS = 8_192;

/** A string with what may stand before it in a list. */
const NAME = /\s*,?\s*("(?:[^"\\]|\\.)*")/y;

export interface NameList {
  /** @param text the next piece of the list @throws {Error} if it is not a list of strings */
  push(text: string): void;
  /** @throws {Error} if the list is not complete */
  end(): void;
}

/** @param take called with the names in order, at most {@link NAMES_PER_PORTION} at once */
export function createNameList(take: (names: readonly string[]) => void): NameList {
  let rest = '';
  let hasBegun = false;
  const wrong = () => new Error('the answer is not a list of names');

  function begin(): void {
    rest = rest.trimStart();
    if (rest === '') return;
    if (!rest.startsWith('[')) throw wrong();
    hasBegun = true;
    rest = rest.slice(1);
  }

  return {
    push(text) {
      rest += text;
      if (!hasBegun) begin();
      let names: string[] = [];
      let read = 0;
      for (;;) {
        NAME.lastIndex = read;
        const found = NAME.exec(rest);
        if (!found?.[1]) break;
        names.push(JSON.parse(found[1]));
        read = NAME.lastIndex;
        if (names.length < NAMES_PER_PORTION) continue;
        take(names);
        names = [];
      }
      if (names.length > 0) take(names);
      rest = rest.slice(read);
      if (rest.length > MAX_NAME_CHARACTERS) throw wrong();
    },
    end() {
      if (!hasBegun || rest.trim() !== ']') throw wrong();
    },
  };
}
