/** A listener of the running service for LHC's calls, asked as LHC asks it. */
import { urlOf } from './service.ts';

/** LHC gives up after 5 s, and the service answers within 2 s. */
export const WIRE_DEADLINE_MS = 2_500;

export interface WireAnswer {
  readonly status: number;
  readonly text: string;
  /** What the other program calls itself (X-Powered-By); '' for the service. */
  readonly poweredBy: string;
}

export interface WireListener {
  readonly url: string;
  /**
   * Sends a body, or asks for `/` without one.
   * @returns null if nobody answers within {@link WIRE_DEADLINE_MS}
   */
  ask(path: string, body?: string): Promise<WireAnswer | null>;
}

/** @param type the media type of bodies */
export function wireListener(
  listen: { readonly host: string; readonly port: number },
  type: 'application/json' | 'text/xml',
): WireListener {
  const url = urlOf(listen);
  return {
    url,
    async ask(path, body) {
      try {
        const response = await fetch(url + path, {
          ...(body !== undefined && { method: 'POST', headers: { 'content-type': type }, body }),
          redirect: 'manual',
          signal: AbortSignal.timeout(WIRE_DEADLINE_MS),
        });
        const poweredBy = response.headers.get('x-powered-by') ?? '';
        return { status: response.status, text: await response.text(), poweredBy };
      } catch {
        return null; // the checks judge what that means
      }
    },
  };
}
