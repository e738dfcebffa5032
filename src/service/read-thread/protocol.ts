/** What the main thread and the thread of the read models say to each other. */
import { AppError, type ErrorCode, messageOf } from '../../errors.ts';
import type { Change } from '../../projections/change-feed.ts';

/** What the thread needs to open the log and the rows. */
export interface ReadThreadData {
  /** As EVENT_STORE has it. */
  readonly eventStore: string;
  /** The file of the rows, without the number of a build. */
  readonly path: string;
  readonly serviceSecrets: readonly string[];
  /** FAILPOINTS, for the crash tests. */
  readonly failpoints: string | undefined;
}

export type ToThread =
  /** `question` is a path in ReadModels, such as `visitors.list`. */
  | {
      readonly kind: 'ask';
      readonly n: number;
      readonly question: string;
      readonly args: readonly unknown[];
    }
  /** The log may have grown. */
  | { readonly kind: 'grown' }
  | { readonly kind: 'stop' };

export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly n: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly n: number; readonly error: SentError }
  | { readonly kind: 'changes'; readonly changes: readonly Change[] }
  | { readonly kind: 'replaced' };

/** An error without its class, which a message between threads cannot carry. */
export interface SentError {
  /** null for an error that is no {@link AppError}. */
  readonly code: ErrorCode | null;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export const toSent = (error: unknown): SentError =>
  error instanceof AppError
    ? { code: error.code, message: error.message, details: error.details }
    : { code: null, message: messageOf(error), details: {} };

export const fromSent = ({ code, message, details }: SentError): Error =>
  code === null ? new Error(message) : new AppError(code, message, details);
