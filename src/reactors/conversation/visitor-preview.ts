/**
 * What a visitor is typing, for the operator who has their chat, if the tenant wants it (docs/security.md): as the status of
 * the contact for this operator alone, so that no client takes it for something that was said. Never a fact, never certain.
 */
import { onOneLine } from '../../kit/lines.ts';
import { Lru } from '../../kit/lru.ts';
import type { VisitorTransport } from '../../xmpp/port.ts';

/** A preview of one visitor changes at most once in this time. */
export const PREVIEW_INTERVAL_MS = 2_000;
/** Of a longer text its end is shown. In UTF-16 units. */
export const PREVIEW_MAX_CHARACTERS = 200;
const PREVIEWS_REMEMBERED = 10_000;

/** As the operator reads it. */
export function previewText(typed: string): string {
  const text = onOneLine(typed).trim();
  if (text.length <= PREVIEW_MAX_CHARACTERS) return `Writes: ${text}`;
  // The first unit may be the second half of a character.
  return `Writes: …${text.slice(-PREVIEW_MAX_CHARACTERS).replace(/^[\udc00-\udfff]/, '')}`;
}

export interface Previews {
  /** Shows it, now or when the last one is old enough; another one replaces what waits. @param stream the visitor's */
  show(stream: string, jid: string, to: string, typed: string): void;
  /** Takes it away. */
  end(stream: string): void;
}

interface Preview {
  readonly jid: string;
  readonly to: string;
  at: number;
  next: string;
  timer: NodeJS.Timeout | undefined;
}

export function createPreviews(options: {
  readonly transport: Pick<VisitorTransport, 'preview'>;
  /** ms, never backwards */
  readonly now: () => number;
  /** Default {@link PREVIEW_INTERVAL_MS}. */
  readonly intervalMs?: number;
}): Previews {
  const { transport, now, intervalMs = PREVIEW_INTERVAL_MS } = options;
  const forget = (_: string, { jid, to, timer }: Preview): void => {
    clearTimeout(timer);
    transport.preview(jid, to, null);
  };
  const shown = new Lru<Preview>(PREVIEWS_REMEMBERED, forget);

  function write(preview: Preview): void {
    preview.timer = undefined;
    preview.at = now();
    transport.preview(preview.jid, preview.to, preview.next);
  }

  function end(stream: string): void {
    const last = shown.peek(stream);
    if (!last) return;
    shown.delete(stream);
    forget(stream, last);
  }

  return {
    show(stream, jid, to, typed) {
      const before = shown.peek(stream);
      if (before && before.to !== to) end(stream);
      const next = previewText(typed);
      const last = before?.to === to ? before : null;
      if (last?.next === next) return;
      const preview = last ?? { jid, to, at: Number.NEGATIVE_INFINITY, next, timer: undefined };
      preview.next = next;
      shown.set(stream, preview);
      const waitMs = preview.at + intervalMs - now();
      if (waitMs <= 0) write(preview);
      else preview.timer ??= setTimeout(write, waitMs, preview).unref();
    },
    end,
  };
}
