/** What is wrong with settings, in the words of this project: which setting, what is allowed, and what was given. */

/** Settings with such a word in their name are secrets. Their values appear in no message. */
const SECRET_NAME = /secret|password|token|key/i;
/** Addresses that may have a password in them. Their values appear in no message either. */
const ADDRESSES: ReadonlySet<PropertyKey> = new Set([
  'EJABBERD_API_URL',
  'EJABBERD_COMPONENT',
  'EJABBERD_XMPP',
  'EVENT_STORE',
  'FILE_SCANNER',
  'REDIS_URL',
  'callbackUrl',
]);
const MOST_QUOTED_CHARACTERS = 60;

type Path = readonly PropertyKey[];

/**
 * What follows the name of a setting in a message.
 * @param path of the setting in `input`; its last name decides whether the value may be quoted
 */
export function faultText(path: Path, message: string, input: unknown): string {
  const given = quoted(path, valueAt(input, path));
  return given === null ? message : `${message}; it is ${given}`;
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

const isNeverQuoted = (key: PropertyKey): boolean =>
  ADDRESSES.has(key) || SECRET_NAME.test(String(key));

/** @returns null for what is not there, must not be seen, or has too much in it */
function quoted(path: Path, value: unknown): string | null {
  const named = path.some((key) => typeof key === 'string');
  if (!named || path.some(isNeverQuoted)) return null;
  if (value === undefined || (typeof value === 'object' && value !== null)) return null;
  return typeof value === 'string' ? quotedText(value) : JSON.stringify(value);
}

/** A text in quotes, cut if it is long. */
export function quotedText(text: string): string {
  const cut = text.slice(0, MOST_QUOTED_CHARACTERS);
  return `${JSON.stringify(cut)}${cut === text ? '' : '…'}`;
}
