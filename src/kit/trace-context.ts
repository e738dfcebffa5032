/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context-2/): which trace a request belongs to. A trace id is 32
 * hexadecimal digits, a parent id 16.
 */
import { hash, randomBytes } from 'node:crypto';

/** What the log keeps of a caller's headers: both are checked, and the first has version 00. */
export interface TraceContext {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** `tracestate` at most, in characters: what the specification asks everybody to pass on. */
export const MAX_TRACESTATE_CHARACTERS = 512;
export const MAX_TRACESTATE_MEMBERS = 32;
/** Longer members go first if `tracestate` is too long, as the specification says. */
const LONG_MEMBER_CHARACTERS = 128;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NONE = /^0+$/;
/** `sampled`, and `random` of level 2. Other bits mean nothing yet, and are not passed on. */
const KNOWN_FLAGS = 0x03;
const SAMPLED = '01';

/**
 * Reads the headers of a request. A later version is read as version 00, as far as that goes.
 * @returns nothing if `traceparent` is missing or wrong: the request begins a trace of its own, and its `tracestate` counts
 * for nothing
 */
export function traceContextOf(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext {
  const [, version, traceId = '', parentId = '', flags = '', more] =
    TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined))
    return {};
  if (NONE.test(traceId) || NONE.test(parentId)) return {};
  const known = (Number.parseInt(flags, 16) & KNOWN_FLAGS).toString(16).padStart(2, '0');
  const state = tracestateOf(tracestate);
  return {
    traceparent: `00-${traceId}-${parentId}-${known}`,
    ...(state !== undefined && { tracestate: state }),
  };
}

const MEMBER =
  /^[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** @returns undefined for a header that is missing, empty or malformed */
function tracestateOf(header: string | undefined): string | undefined {
  let members = (header ?? '')
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))));
  if (keys.size < members.length || members.length > MAX_TRACESTATE_MEMBERS) return undefined;
  if (!members.every((member) => MEMBER.test(member))) return undefined;
  const isTooLong = () => members.join().length > MAX_TRACESTATE_CHARACTERS;
  if (isTooLong()) members = members.filter(({ length }) => length <= LONG_MEMBER_CHARACTERS);
  while (isTooLong()) members.pop();
  return members.length > 0 ? members.join() : undefined;
}

/** A UUID has 128 bits, as a trace id. Its last 7 bytes are random, as the specification wants them. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The trace of a fact. Without a caller's trace it is the correlation id, or a hash of one that is no UUID. So facts of one
 * request share it, in each process and after a restart, and the log need not have it.
 */
export function traceIdOf({
  traceparent,
  correlationId,
}: TraceContext & { readonly correlationId: string }): string {
  if (traceparent !== undefined) return traceparent.slice(3, 35);
  const own = UUID.test(correlationId) ? correlationId.replaceAll('-', '').toLowerCase() : '';
  return own === '' || NONE.test(own) ? hash('sha256', correlationId, 'hex').slice(0, 32) : own;
}

/** @returns a new parent id, for one request of ours */
export const newParentId = (): string => {
  const id = randomBytes(8).toString('hex');
  return NONE.test(id) ? newParentId() : id;
};

/** The headers of a request of ours that is part of this trace. @param parentId as {@link newParentId} makes them */
export const traceHeaders = (
  trace: TraceContext & { readonly correlationId: string },
  parentId: string,
): { readonly traceparent: string; readonly tracestate?: string } => ({
  traceparent: `00-${traceIdOf(trace)}-${parentId}-${trace.traceparent?.slice(-2) ?? SAMPLED}`,
  ...(trace.tracestate !== undefined && { tracestate: trace.tracestate }),
});
