import {
  AccessDeniedError,
  MaxAppendSizeExceededError,
  NotLeaderError,
  StreamDeletedError,
  StreamNotFoundError,
} from '@eventstore/db-client';
import { AppError, messageOf } from '../../errors.ts';

/** The operation, for the message of its failure. */
export interface Operation {
  readonly kind: 'append to' | 'read' | 'delete' | 'subscribe to';
  readonly stream: string;
  /** The connection string names several nodes, or a name that leads to all of them. */
  readonly namesAll?: boolean;
}

/** No answer within our own deadline: the server is frozen, or the connection died silently. */
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

/** UNAUTHENTICATED of gRPC. The client turns it into the same error as PERMISSION_DENIED. */
const UNAUTHENTICATED = 16;

const denied = (error: AccessDeniedError, { kind, stream }: Operation): AppError =>
  new AppError(
    'refused',
    error.code === UNAUTHENTICATED
      ? `${NAME} does not know the user, or the password is wrong: check user and password of EVENT_STORE (esdb://USER:PASSWORD@HOST)`
      : `${NAME} does not let us ${kind} ${stream}: give the user of EVENT_STORE the right to ${RIGHTS[kind]} on that stream, or name a user in EVENT_STORE (esdb://USER:PASSWORD@HOST) that has it`,
    { stream },
  );

/** @returns the failure that no repeat can change; undefined if a repeat may help */
export const finalFailure = (error: unknown, operation: Operation): AppError | undefined => {
  const { stream } = operation;
  if (error instanceof AppError) return error;
  if (error instanceof AccessDeniedError) return denied(error, operation);
  if (error instanceof StreamDeletedError) {
    return new AppError(
      'refused',
      `${stream} was deleted for good (a tombstone) in ${NAME}: that name can never be used again; use another one, for example another visitor key`,
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

/** The failure after the last try. @param outcome what is known of the effect */
export const unavailable = (
  error: unknown,
  { kind, stream, namesAll = false }: Operation,
  outcome = '',
): AppError => {
  return new AppError(
    'unavailable',
    `cannot ${kind} ${stream}, ${NAME} is away: ${reasonOf(error, namesAll)}${outcome}`,
    { stream },
    { cause: error },
  );
};

/** The error in a few words. Some errors of the client have no message. */
const reasonOf = (error: unknown, namesAll: boolean): string => {
  if (error instanceof NotLeaderError) {
    if (namesAll) return 'the nodes elect a leader, or the leader does not answer';
    return 'the node is not the leader, and the leader that it named did not answer: name all nodes in EVENT_STORE (esdb://HOST1,HOST2,HOST3 or esdb+discover://NAME)';
  }
  const message = messageOf(error);
  // url.ts checks the hosts of EVENT_STORE. This address is one that a node of a cluster advertises.
  if (message.includes('TLS ServerName')) {
    return 'a node advertises an IP address, and Node makes no TLS connection to an IP address: let it advertise a host name (its option advertise-host-to-client-as)';
  }
  return message || (error instanceof Error ? error.constructor.name : 'unknown');
};

/** True if the stream does not exist, or no longer exists. */
export const isMissing = (error: unknown): boolean =>
  error instanceof StreamNotFoundError || error instanceof StreamDeletedError;
