/** JSON for people: one line with what is in it, or a line for each field. */
import type { JsonValue } from '../../kit/json.ts';

/** Characters of one value in a line of several, on a terminal. */
const VALUE_CHARACTERS = 80;

const isBare = (text: string): boolean => /^[\p{L}\p{N}_.:@/+-]+$/u.test(text);

/** A value in one line. Texts of one word stand without quotes. */
export const valueText = (value: JsonValue | undefined): string =>
  typeof value === 'string' && isBare(value) ? value : (JSON.stringify(value) ?? 'nothing');

const short = (text: string, isCut: boolean): string =>
  isCut && text.length > VALUE_CHARACTERS ? `${text.slice(0, VALUE_CHARACTERS)}…` : text;

/** `chatId=7 department=sales`: the fields of an object. @param isCut whether long values are cut */
export const fieldsText = (value: JsonValue, isCut: boolean): string =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value)
        .map(([key, each]) => `${key}=${short(valueText(each), isCut)}`)
        .join(' ')
    : short(valueText(value), isCut);

/** `chat.id: 7`, a line for each field, also of fields within. Lists of plain values take one line. */
export function fieldLines(value: JsonValue, name = ''): { name: string; text: string }[] {
  if (typeof value !== 'object' || value === null || isPlainList(value) || isEmpty(value)) {
    return [{ name, text: valueText(value) }];
  }
  return Object.entries(value).flatMap(([key, each]) =>
    fieldLines(each, name === '' ? key : `${name}.${key}`),
  );
}

const isPlainList = (value: object): boolean =>
  Array.isArray(value) && value.every((each) => typeof each !== 'object' || each === null);

const isEmpty = (value: object): boolean => Object.keys(value).length === 0;

/** `chat.messages.3`. */
export const pathText = (path: readonly (string | number)[]): string => path.join('.');
