/** What ejabberd means when it does not answer a call with 200. */
import { AppError } from '../../errors.ts';

/** Bounds the part of ejabberd's text that goes into an error message. */
const REFUSAL_CHARS = 300;

/** The part of the system that this client's errors name. */
export const PART = 'ejabberd';

/** Who calls, and where. */
interface Caller {
  readonly base: string;
  readonly user: string;
  readonly password: string;
}

/** An answer with a status other than 200. */
export interface Refusal {
  readonly status: number;
  /** ejabberd's own code: 32 no rights, 40 no such command, 10001 failed, 10090 exists. */
  readonly code: number | undefined;
  readonly text: string;
}

/** Reads an error answer, which is a JSON string or an object with code and message. */
export function refusalOf(status: number, body: unknown): Refusal {
  const fields = typeof body === 'object' && body !== null ? body : {};
  const code = 'code' in fields && typeof fields.code === 'number' ? fields.code : undefined;
  const message = 'message' in fields ? String(fields.message) : undefined;
  return { status, code, text: message ?? (typeof body === 'string' ? body : '') };
}

/** The error that a refusal means, without any password that ejabberd may have repeated. */
export function refusalError(
  { base, user, password }: Caller,
  command: string,
  args: Readonly<Record<string, string>>,
  refusal: Refusal,
): AppError {
  const { status, code } = refusal;
  let text = refusal.text;
  for (const secret of [password, args.password, args.newpass]) {
    if (secret) text = text.replaceAll(secret, '***');
  }
  text = text.slice(0, REFUSAL_CHARS);
  const details = { part: PART, command, status, ...(code !== undefined && { code }) };
  if (status === 401) {
    return new AppError(
      'unavailable',
      `ejabberd does not accept the credentials of ${user}: check EJABBERD_API_USER (a full JID, such as api@example.org) and EJABBERD_API_PASSWORD.`,
      { ...details, reason: 'credentials' },
    );
  }
  if (status === 403) {
    return new AppError(
      'unavailable',
      `${user} may not call ${command}: add it to "what" of its api_permissions in ejabberd.yml.`,
      { ...details, reason: 'rights' },
    );
  }
  // 23.01 answers 400 with this name instead.
  if ((status === 404 && code === 40) || refusal.text === 'unknown_command') {
    return new AppError(
      'unavailable',
      `ejabberd has no command ${command}: load mod_admin_extra, and mod_http_api on ${base}.`,
      { ...details, reason: 'command' },
    );
  }
  // A page of ejabberd's web server, or of another one: mod_http_api was not reached.
  if (status === 404 && code === undefined && /^\s*</.test(text)) {
    return new AppError(
      'unavailable',
      `${base} answers 404 with a page: is EJABBERD_API_URL right?`,
      { ...details, reason: 'answer' },
    );
  }
  if (status === 429 || status === 503 || (status >= 500 && code === undefined)) {
    return new AppError('unavailable', `ejabberd failed at ${command}: ${status} ${text}`, {
      ...details,
      ...(refusal.text === 'internal_error' && { reason: 'crash' }),
    });
  }
  return new AppError('refused', `ejabberd refused ${command}: ${status} ${text}`, details);
}
