/** What is wrong with settings, in the words of this project: which setting, what is allowed, and what was given. */

/** Secrets, and addresses that may have a password in them. Their values appear in no message. */
const NEVER_QUOTED: ReadonlySet<PropertyKey> = new Set([
  'ADMIN_TOKEN',
  'SERVICE_SECRET',
  'EJABBERD_API_URL',
  'EJABBERD_API_PASSWORD',
  'EJABBERD_XMPP',
  'EJABBERD_WEBHOOK_SECRET',
  'EVENT_STORE',
  'REDIS_URL',
  'apiKey',
  'callbackUrl',
  'callbackSecret',
  'legacySecret',
  'XMLRPC_PASSWORD',
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

/** @returns null for what is not there, must not be seen, or has too much in it */
function quoted(path: Path, value: unknown): string | null {
  const named = path.some((key) => typeof key === 'string');
  if (!named || path.some((key) => NEVER_QUOTED.has(key))) return null;
  if (value === undefined || (typeof value === 'object' && value !== null)) return null;
  return typeof value === 'string' ? quotedText(value) : JSON.stringify(value);
}

/** A text in quotes, cut if it is long. */
export function quotedText(text: string): string {
  const cut = text.slice(0, MOST_QUOTED_CHARACTERS);
  return `${JSON.stringify(cut)}${cut === text ? '' : '…'}`;
}
