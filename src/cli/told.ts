/** What the command line says of an error. */
import { AppError } from '../errors.ts';

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'run this as the user of the service, or as root',
  EPERM: 'run this as the user of the service, or as root',
  EROFS: 'that disk is mounted read-only: name another place',
  ENOSPC: 'make room, and run this again',
  EDQUOT: 'make room, and run this again',
};

/**
 * What this project throws on purpose says what to do, and what the operating system refuses says where; of anything
 * else the stack is wanted.
 */
export function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AppError) return error.message;
  if (!('syscall' in error && 'code' in error)) return error.stack ?? error.message;
  const advice = ADVICE[String(error.code)];
  return advice ? `${error.message}: ${advice}` : error.message;
}
