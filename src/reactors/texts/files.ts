/** Visitors' files, in words. */
import type { VisitorFile } from '../../actors/visitor/facts.ts';
import type { JsonObject } from '../../kit/json.ts';
import { marked } from './mark.ts';

/** The file of a message; null if it is a text, or was erased. @param opened the personal part of its fact */
export function fileIn(opened: JsonObject | null): Pick<VisitorFile, 'name'> | null {
  const { name } = (opened?.file ?? {}) as { name?: unknown }; // src/http parsed it before it was sealed
  return typeof name === 'string' ? { name } : null;
}

/** A file in a list of what was said. Its address is left out: nobody has looked at the file just now. */
export const fileInList = ({ name }: Pick<VisitorFile, 'name'>): string => `[file: ${name}]`;

/** Instead of a file. @param reason of a verdict (src/files/checks.ts) */
export const fileNotPassedOn = (reason: string): string =>
  marked(`The visitor has sent a file, and it was not passed on: ${reason}.`);
