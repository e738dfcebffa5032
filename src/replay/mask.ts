/**
 * Personal data without what it says, so that a history can be given to somebody else: structure and rough length stay,
 * and the same value is masked the same way, so that an engineer can still follow it.
 */
import type { JsonObject, JsonValue } from '../kit/json.ts';
import type { EventView } from './event-view.ts';

/** Stands for a value: the same for the same text, and nobody can find the text by it. */
export type Fingerprint = (text: string) => string;

const URL_LIKE = /^[a-z][a-z0-9+.-]{1,15}:\/\//i;
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/** `17-32`: the powers of two around a length. */
function lengthClass(length: number): string {
  const most = 2 ** Math.ceil(Math.log2(Math.max(4, length)));
  return most <= 4 ? '1-4' : `${most / 2 + 1}-${most}`;
}

/** A text that looks like the kind of text that it stands for. */
export function maskedText(text: string, fingerprint: Fingerprint): string {
  if (text === '') return text;
  const name = fingerprint(text);
  if (URL_LIKE.test(text)) return `https://masked.invalid/${name}`;
  if (text.startsWith('/')) return `/masked/${name}`;
  if (EMAIL.test(text)) return `${name}@masked.invalid`;
  const lines = text.split('\n').length;
  const more = lines > 1 ? ` ${lines} lines` : '';
  return `[masked ${name} ${lengthClass([...text].length)}${more}]`;
}

/** Every text in it, masked. Numbers are 0; the names of fields stay. */
export function masked(value: JsonValue, fingerprint: Fingerprint): JsonValue {
  if (typeof value === 'string') return maskedText(value, fingerprint);
  if (typeof value === 'number') return 0;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => masked(each, fingerprint));
  return maskedObject(value, fingerprint);
}

const maskedObject = (value: JsonObject, fingerprint: Fingerprint): JsonObject =>
  Object.fromEntries(Object.entries(value).map(([key, each]) => [key, masked(each, fingerprint)]));

/** A word of our own, such as `visitor-left`. */
const isOwnWord = (text: string): boolean => /^[a-z][a-z-]*$/.test(text);

/** Free text of people that older releases did not seal. */
const FREE_TEXT: Readonly<Record<string, readonly string[]>> = {
  ChatClosed: ['reason'],
};

/** An event with nothing personal in it. */
export function maskedEvent<E extends EventView>(event: E, fingerprint: Fingerprint): E {
  const { type, data, personal } = event;
  const free = (FREE_TEXT[type] ?? []).flatMap((field): [string, string][] => {
    const text = data[field];
    return typeof text === 'string' && !isOwnWord(text)
      ? [[field, maskedText(text, fingerprint)]]
      : [];
  });
  return {
    ...event,
    data: free.length > 0 ? { ...data, ...Object.fromEntries(free) } : data,
    personal: personal && maskedObject(personal, fingerprint),
  };
}
