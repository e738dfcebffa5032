/** The text of a file that a person has saved with whatever program they have. */

const UTF16: readonly (readonly [number, number, string])[] = [
  [0xff, 0xfe, 'utf-16le'],
  [0xfe, 0xff, 'utf-16be'],
];

/**
 * Decodes UTF-8, or UTF-16 with a byte order mark, as Windows writes "Unicode text". A byte order mark is no part of the
 * text.
 * @returns null for any other encoding
 */
export function textOfFile(bytes: Uint8Array): string | null {
  const [, , encoding = 'utf-8'] =
    UTF16.find(([first, second]) => bytes[0] === first && bytes[1] === second) ?? [];
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
