import {
  AccessDeniedError,
  MaxAppendSizeExceededError,
  NotLeaderError,
  StreamDeletedError,
  StreamNotFoundError,
} from '@eventstore/db-client';
import { AppError, messageOf } from '../../errors.ts';

/** What an operation was about, for the message of its failure. */
export interface Operation {
  readonly kind: 'append to' | 'read' | 'delete' | 'subscribe to';
  readonly stream: string;
}

/** No answer within our own time: a frozen server, or a connection that died without a word. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

/** The name of the event store in messages. */
const NAME = 'EventStoreDB';

const RIGHTS: Record<Operation['kind'], string> = {
  'append to': 'write ($w)',
  read: 'read ($r)',
  delete: 'delete ($d)',
  'subscribe to': 'read ($r)',
};

/** gRPC's UNAUTHENTICATED; the client makes the same error of it as of PERMISSION_DENIED. */
const UNAUTHENTICATED = 16;

const denied = (error: AccessDeniedError, { kind, stream }: Operation): AppError =>
  new AppError(
    'refused',
    error.code === UNAUTHENTICATED
      ? `${NAME} does not know the user, or the password is wrong: check user and password of EVENT_STORE (esdb://USER:PASSWORD@HOST)`
      : `${NAME} does not let us ${kind} ${stream}: give the user of EVENT_STORE the right to ${RIGHTS[kind]} on that stream, or name a user in EVENT_STORE (esdb://USER:PASSWORD@HOST) that has it`,
    { stream },
  );

/** The failure that no repetition changes; undefined when trying again may help. */
export const finalFailure = (error: unknown, operation: Operation): AppError | undefined => {
  const { stream } = operation;
  if (error instanceof AppError) return error;
  if (error instanceof AccessDeniedError) return denied(error, operation);
  if (error instanceof StreamDeletedError) {
    return new AppError(
      'refused',
      `${stream} was deleted for good (a tombstone) in ${NAME}: its name can never be used again; use another one, e.g. another visitor key`,
      { stream },
    );
  }
  if (error instanceof MaxAppendSizeExceededError) {
    return new AppError(
      'too-large',
      `${NAME} takes at most ${error.maxAppendSize} bytes in one append: set its option max-append-size to 1048576 or more`,
      { stream },
    );
  }
  return undefined;
};

/** The last failure, when trying again did not help. `outcome` says what is known of the effect. */
export const unavailable = (
  error: unknown,
  { kind, stream }: Operation,
  outcome = '',
): AppError => {
  return new AppError(
    'unavailable',
    `cannot ${kind} ${stream}, ${NAME} is away: ${reasonOf(error)}${outcome}`,
    { stream },
    { cause: error },
  );
};

/** In a few words; some errors of the client have no message. */
const reasonOf = (error: unknown): string => {
  if (error instanceof NotLeaderError) {
    return 'the node that was asked is not the leader and named one that did not answer as such: name all nodes in EVENT_STORE (esdb://HOST1,HOST2,HOST3 or esdb+discover://NAME)';
  }
  const message = messageOf(error);
  // Those of EVENT_STORE are looked at in url.ts: this is one that a node of a cluster gives as its own.
  if (message.includes('TLS ServerName')) {
    return 'a node gives an IP address as its own, and Node makes no TLS connection to one: let it give a host name (its option advertise-host-to-client-as)';
  }
  return message || (error instanceof Error ? error.constructor.name : 'unknown');
};

/** A stream that does not exist, or not any more. */
export const isMissing = (error: unknown): boolean =>
  error instanceof StreamNotFoundError || error instanceof StreamDeletedError;
