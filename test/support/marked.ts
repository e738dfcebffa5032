/** Tells the service's lines from a visitor's words, as a person does: by the mark. */
import { LINE_MARK } from '../../src/reactors/texts/mark.ts';

const isMarked = (line: string): boolean => line === LINE_MARK || line.startsWith(`${LINE_MARK} `);

/** What the visitor said in a message; '' if it is of the service alone. */
export const wordsIn = (body: string): string =>
  body
    .split('\n')
    .filter((line) => !isMarked(line))
    .join('\n')
    .replace(/\n$/, '');

/** What the service said in a message, without its marks. */
export const linesIn = (body: string): string =>
  body
    .split('\n')
    .filter(isMarked)
    .map((line) => line.slice(LINE_MARK.length + 1))
    .join('\n');
