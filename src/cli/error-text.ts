/** How the command line prints an error. */
import { AppError } from '../errors.ts';

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'run this as the user of the service, or as root',
  EPERM: 'run this as the user of the service, or as root',
  EEXIST: 'name another one, or remove it first',
  EROFS: 'that disk is mounted read-only: name another place',
  ENOSPC: 'make room, and run this again',
  EDQUOT: 'make room, and run this again',
};

/**
 * The text of an error for the administrator. Our own errors say what to do, errors of the operating system get advice
 * where there is any, and everything else is a defect and gets its stack.
 */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AppError) return error.message;
  if (!('syscall' in error && 'code' in error)) return error.stack ?? error.message;
  const advice = ADVICE[String(error.code)];
  return advice ? `${error.message}: ${advice}` : error.message;
}
