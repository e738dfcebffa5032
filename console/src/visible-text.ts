/** Words that people wrote, with each character visible that would hide itself or turn its neighbours around. */

export interface Part {
  readonly text: string;
  /** Stands for a character that has no shape of its own: `U+202E`. */
  readonly isSign: boolean;
}

/**
 * Control characters but tab and line feed, marks that turn the direction, characters without width, separators that look
 * like spaces, tags, and halves of characters. Joiners (U+200C, U+200D) are part of words in many languages and of emoji.
 */
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu;

/** The text in parts, in order. */
export function partsOf(text: string): readonly Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > from) parts.push({ text: text.slice(from, match.index), isSign: false });
    parts.push({ text: codeOf(match[0]), isSign: true });
    from = match.index + match[0].length;
  }
  if (from < text.length || parts.length === 0)
    parts.push({ text: text.slice(from), isSign: false });
  return parts;
}

const codeOf = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
