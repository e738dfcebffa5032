/** Where words stand in files, byte by byte, in every form in which a program may have written them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The bytes of a word: as UTF-8 and UTF-16, as JSON escapes it, and inside of base64 at each of its three offsets. */
function formsOf(word: string): Buffer[] {
  const utf8 = Buffer.from(word);
  const escaped = word.replaceAll(
    /[^\x20-\x7e]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const inBase64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), utf8]).toString('base64');
    // The characters at both ends hold bits of their neighbours.
    return Buffer.from(text.replace(/=+$/, '').slice(offset === 0 ? 0 : 4, -2));
  });
  return [utf8, Buffer.from(word, 'utf16le'), Buffer.from(escaped), ...inBase64];
}

/** @returns `{file}: {word}` for each word that is in a file of this folder or one below it */
export function wordsInFiles(folder: string, words: readonly string[]): string[] {
  const forms = words.map((word) => [word, formsOf(word)] as const);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return files
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const bytes = readFileSync(join(entry.parentPath, entry.name));
      return forms
        .filter(([, all]) => all.some((form) => bytes.includes(form)))
        .map(([word]) => `${entry.name}: ${word}`);
    });
}
