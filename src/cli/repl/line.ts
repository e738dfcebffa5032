/** The parts of a line that somebody types at the prompt. */
import { AppError, messageOf } from '../../errors.ts';
import type { JsonObject } from '../../kit/json.ts';
import { visible } from '../output/terminal-text.ts';

/** The first word, and what follows it. */
export const splitWord = (text: string): [string, string] => {
  const [, word = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(text.trimStart()) ?? [];
  return [word, rest.trim()];
};

/** @param rest of the line behind the verb. @throws {AppError} `invalid` unless it is one word */
export function wordOf(verb: string, rest: string): string {
  if (rest !== '' && !/\s/.test(rest)) return rest;
  throw new AppError('invalid', `${verb} has to have a name behind it`);
}

/** @throws {AppError} `invalid` unless the text is a number */
export function countOf(verb: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new AppError('invalid', `${verb} has to have a number behind it`);
}

/** `TYPE {…}`, or the type alone. @throws {AppError} `invalid` */
export function typedOf(
  verb: string,
  rest: string,
): { readonly type: string; readonly fields: JsonObject } {
  const [type, json] = splitWord(rest);
  if (type === '') throw new AppError('invalid', `${verb} has to have a type behind it`);
  let value: unknown;
  try {
    value = json === '' ? {} : JSON.parse(json);
  } catch (error) {
    throw new AppError('invalid', visible(`what follows ${type} is no JSON: ${messageOf(error)}`));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('invalid', `what follows ${type} has to be an object in { }`);
  }
  return { type, fields: value as JsonObject }; // JSON.parse made it
}
