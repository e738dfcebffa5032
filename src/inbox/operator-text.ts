/**
 * What an operator's text says to a visitor, who has a web page and no XMPP client: conventions in bodies are carried over
 * in words or taken out, and nothing goes out that nobody sees.
 */
import { isBlank } from './operator-commands/words.ts';

/** OTR's offer in white space (Off-the-Record Messaging v3, "Tagged plaintext messages"): a base tag, and a tag for each version. */
const OTR_OFFER = /\x20\t\x20\x20\t{4}(?:\x20\t){3}\x20\x20(?:[\x20\t]{8})*/g;

/** The end of a line for the direction of writing (UAX #9, B). */
const LINE_END = /[\n\u0085\u2028\u2029]/u;
const PICTURE =
  /[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}]|\ufe0f|\u20e3/u;
/** Letters of scripts where a joiner changes how the word looks: Persian, Hindi, Sinhala and others. */
const JOINING =
  /(?![\p{sc=Latn}\p{sc=Grek}\p{sc=Cyrl}\p{sc=Hani}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}])[\p{L}\p{M}]/u;
/** Scripts without spaces between words: an invisible space shows where a line may break. */
const UNSPACED = /[\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Talu}\p{sc=Lana}\p{sc=Java}]/u;
const RIGHT_TO_LEFT =
  /[\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nkoo}\p{sc=Samr}\p{sc=Mand}\p{sc=Adlm}\p{sc=Rohg}]/u;
const VARIANTS_OF = /[\p{sc=Hani}\p{sc=Mong}\p{sc=Phag}\p{sc=Mymr}\p{Sm}]/u;
/** What has no shape: Unicode's default ignorable characters, annotations, and controls but tab and line feed. */
const UNSEEN = /[\p{DI}\ufff9-\ufffb]|(?![\t\n])\p{Cc}/u;

const BLACK_FLAG = '\u{1f3f4}';
const TAG = /[\u{e0020}-\u{e007f}]/u;
const MARKS = /[\u200e\u200f\u061c]/u;
/** Embeddings and isolates (UAX #9): what opens one, and what closes it. */
const OPENERS: Readonly<Record<string, string>> = {
  '\u202a': '\u202c',
  '\u202b': '\u202c',
  '\u2066': '\u2069',
  '\u2067': '\u2069',
  '\u2068': '\u2069',
};
const CLOSERS: ReadonlySet<string> = new Set(Object.values(OPENERS));
/** They reverse letters, which is how `gpj.exe` looks like a picture. */
const OVERRIDES = /[\u202d\u202e]/u;

/** Places of the embeddings and isolates that are closed in their line. Overrides are none, and take their end with them. */
function balanced(characters: readonly string[]): ReadonlySet<number> {
  const kept = new Set<number>();
  let open: { at: number; closer: string; isOverride: boolean }[] = [];
  for (const [at, character] of characters.entries()) {
    const closer = OPENERS[character];
    if (LINE_END.test(character)) open = [];
    else if (OVERRIDES.test(character)) open.push({ at, closer: '\u202c', isOverride: true });
    else if (closer) open.push({ at, closer, isOverride: false });
    else if (CLOSERS.has(character) && open.at(-1)?.closer === character) {
      const opener = open.pop();
      if (opener && !opener.isOverride) kept.add(opener.at).add(at);
    }
  }
  return kept;
}

/** For each place the next character behind it that has a shape: what has none may be taken out, and then joins nothing. */
function shapesBehind(characters: readonly string[]): readonly string[] {
  const behind: string[] = [];
  let next = '';
  for (let at = characters.length - 1; at >= 0; at--) {
    behind[at] = next;
    const character = characters[at] ?? '';
    if (!UNSEEN.test(character)) next = character;
  }
  return behind;
}

/** True if this character without a shape has a meaning between what stands before and behind it. */
function isMeant(character: string, before: string, behind: string, isTagged: boolean): boolean {
  switch (character) {
    case '\u200d': // zero width joiner
      return (PICTURE.test(before) && PICTURE.test(behind)) || JOINING.test(before);
    case '\u200c': // zero width non-joiner
      return JOINING.test(before);
    case '\u200b': // zero width space
      return UNSPACED.test(before) && UNSPACED.test(behind);
    case '\ufe0e':
    case '\ufe0f': // a picture as a text, or in colours
      return /[\p{Emoji}\p{Extended_Pictographic}]/u.test(before);
    case '\u115f':
    case '\u1160': // parts of syllables that are written one by one
      return /[\u1100-\u11ff]/u.test(before) || /[\u1100-\u11ff]/u.test(behind);
    case '\u034f': // combining grapheme joiner
      return /\p{M}/u.test(before) && /\p{M}/u.test(behind);
    default:
      if (TAG.test(character)) return isTagged;
      return /\p{Variation_Selector}/u.test(character) && VARIANTS_OF.test(before);
  }
}

/** The text without what has no shape and no meaning. Joiners in pictures and in Persian stay. */
export function visibleText(text: string): string {
  const plain = text.replace(OTR_OFFER, '');
  if (!UNSEEN.test(plain)) return plain;
  const characters = [...plain];
  const hasTwoDirections = RIGHT_TO_LEFT.test(plain);
  const embeddings = hasTwoDirections ? balanced(characters) : new Set();
  const shapes = shapesBehind(characters);
  let seen = '';
  let before = '';
  let isTagged = false;
  for (const [at, character] of characters.entries()) {
    const isUnseen = UNSEEN.test(character);
    const isTag = TAG.test(character);
    isTagged = isTag ? isTagged || before === BLACK_FLAG : false;
    const stays =
      !isUnseen ||
      embeddings.has(at) ||
      (MARKS.test(character)
        ? hasTwoDirections && before !== character
        : isMeant(character, before, shapes[at] ?? '', isTagged));
    if (!stays) continue;
    seen += character;
    // The tags of a flag belong to the flag.
    if (!isTag) before = character;
  }
  return seen;
}

/** Why a visitor cannot read a text; null if they can. */
export function unreadable(text: string): 'encrypted' | 'encrypted-file' | null {
  // OTR (queries and messages), OpenPGP in the text (RFC 9580 §6.2), and encrypted uploads (XEP-0454).
  if (/^\s*\?OTR/.test(text) || /^-----BEGIN PGP MESSAGE-----/m.test(text)) return 'encrypted';
  return /(?:^|\s)aesgcm:\/\//i.test(text) ? 'encrypted-file' : null;
}

/** Clients that know replies take the quotation before one away (XEP-0461), and then see the action. */
const ACTION = /^((?:>[^\n]*\n)*)\/me /;

/** True if clients show the text as something that its author does (XEP-0245). */
export const isAction = (text: string): boolean => ACTION.test(text);

/**
 * `/me looks` as clients show it, with the quotation before it.
 * @param name of the operator; null if they have none
 */
export const withoutAction = (action: string, name: string | null): string =>
  action.replace(
    ACTION,
    (_, quotation: string) => `${quotation}* ${name === null ? '' : `${name} `}`,
  );

/** One text from bodies in several languages: without a language first, and one that is not blank if there is any. */
export function textOf(body: Readonly<Record<string, string>>): string {
  const texts = [body[''] ?? '', ...Object.values(body)];
  return texts.find((text) => !isBlank(text)) ?? texts.find((text) => text !== '') ?? '';
}
