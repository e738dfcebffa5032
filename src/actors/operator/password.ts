/**
 * Passwords as XMPP prepares them: the OpaqueString profile of RFC 8265 §4, over the FreeformClass of RFC 8264 §4.3. A
 * client prepares what a person types in the same way, so what is stored must be prepared too. ejabberd refuses more
 * (stringprep.ts).
 */
import { MAX_PASSWORD_BYTES, resourcePrepFault } from './stringprep.ts';

export const MAX_PASSWORD_CHARACTERS = 256;

/** RFC 8265 §4.2.1, rule 2: spaces other than U+0020. */
const OTHER_SPACE = /[^ \P{Zs}]/gu;

/** RFC 8264 §9.6, the code points that no PRECIS string may hold whatever their category. */
const EXCEPTIONS = /[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]/u;
/** RFC 8264 §9.9: conjoining jamo. */
const OLD_HANGUL_JAMO = /[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb]/u;
/** RFC 8264 §9.13. The joiners are among them: their context rules (RFC 5892 A.1, A.2) need tables that JS has not. */
const IGNORABLE = /[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/u;
/** RFC 8264 §9.12 and §8: control characters, and what is no letter, mark, number, space, symbol or punctuation. */
const NO_CHARACTER = /[^\p{L}\p{M}\p{N}\p{Zs}\p{S}\p{P}]/u;

/** Code points that need a context (RFC 5892 A.3 to A.9), where they have it. */
const IN_CONTEXT = new RegExp(
  [
    '(?<=l)\u00b7(?=l)',
    '\u0375(?=\\p{Script=Greek})',
    '(?<=\\p{Script=Hebrew})[\u05f3\u05f4]',
  ].join('|'),
  'gu',
);
const NEEDS_CONTEXT = /[\u00b7\u0375\u05f3\u05f4]/u;
const KATAKANA_DOT = /\u30fb/u;
const JAPANESE = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u;
const ARABIC_DIGIT = /[\u0660-\u0669]/u;
const EXTENDED_ARABIC_DIGIT = /[\u06f0-\u06f9]/u;

/** Code points that are disallowed though `\p{…}` above lets them through, or that break a context rule. */
const breaksContext = (text: string): boolean =>
  NEEDS_CONTEXT.test(text.replace(IN_CONTEXT, '')) ||
  // The dot itself is of the script Common.
  (KATAKANA_DOT.test(text) && !JAPANESE.test(text)) ||
  (ARABIC_DIGIT.test(text) && EXTENDED_ARABIC_DIGIT.test(text));

/** Spaces become U+0020, then NFC (RFC 8265 §4.2.1). Full-width and half-width characters stay. */
export const preparePassword = (password: string): string =>
  password.replace(OTHER_SPACE, ' ').normalize('NFC');

/**
 * Why a prepared password cannot be used.
 * @returns the reason, without a part of the password; null if it can be used
 */
export function passwordFault(prepared: string): string | null {
  if (prepared === '') return 'is empty';
  if (/\p{Cc}/u.test(prepared)) return 'holds a control character';
  const isDisallowed = [EXCEPTIONS, OLD_HANGUL_JAMO, IGNORABLE, NO_CHARACTER].some((kind) =>
    kind.test(prepared),
  );
  if (isDisallowed) return 'holds a character that no XMPP password may have (RFC 8265)';
  if (breaksContext(prepared)) {
    return 'holds a character that an XMPP password may have only in its own script (RFC 8265)';
  }
  if (Buffer.byteLength(prepared) > MAX_PASSWORD_BYTES) {
    return `is longer than ${MAX_PASSWORD_BYTES} bytes in UTF-8`;
  }
  return resourcePrepFault(prepared);
}
