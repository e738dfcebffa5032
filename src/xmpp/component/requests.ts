/** IQs of the component to ejabberd, and their answers. */
import type { Element } from '@xmpp/xml';
import { AppError } from '../../errors.ts';

/** ejabberd answers an IQ within this time, or the request has failed. */
export const REQUEST_DEADLINE_MS = 20_000;

export interface Requests {
  /**
   * Sends an IQ with a new id. Resolves with the result or the error that ejabberd answers.
   * @throws {AppError} `unavailable` when the stream is lost or the deadline is over
   */
  ask(iq: (id: string) => string): Promise<Element>;
  /** Takes an answer of ejabberd. False if nobody waits for it. */
  answered(answer: Element): boolean;
  failAll(error: AppError): void;
}

interface Request {
  readonly settled: PromiseWithResolvers<Element>;
  readonly timer: NodeJS.Timeout;
}

/** @param send writes an IQ @throws {AppError} `unavailable` without a stream */
export function createRequests(
  send: (iq: string) => void,
  deadlineMs = REQUEST_DEADLINE_MS,
): Requests {
  const waiting = new Map<string, Request>();
  let asked = 0;

  function take(id: string): Request | undefined {
    const request = waiting.get(id);
    waiting.delete(id);
    clearTimeout(request?.timer);
    return request;
  }

  return {
    async ask(iq) {
      asked += 1;
      const id = `ask-${asked}`;
      send(iq(id));
      const settled = Promise.withResolvers<Element>();
      const late = (): void => {
        const text = `ejabberd gave no answer within ${deadlineMs} ms`;
        take(id)?.settled.reject(new AppError('unavailable', text));
      };
      waiting.set(id, { settled, timer: setTimeout(late, deadlineMs) });
      return settled.promise;
    },
    answered(answer) {
      const request = take(answer.attrs.id ?? '');
      request?.settled.resolve(answer);
      return request !== undefined;
    },
    failAll(error) {
      for (const id of [...waiting.keys()]) take(id)?.settled.reject(error);
    },
  };
}
