/** What a transport tells its listeners, as texts in order. */
import type { VisitorTransport } from '../../src/xmpp/port.ts';

/** With what listeners were told: `started JID`, `lost JID`, `stopped JID`, `returned …`, `stream up`, `stream lost`. */
export type Recorded<T extends VisitorTransport> = T & { readonly events: string[] };

/** Notes what a transport tells its listeners. */
export function recorded<T extends VisitorTransport>(transport: T): Recorded<T> {
  const events: string[] = [];
  transport.listen({
    sessionStarted: (jid) => events.push(`started ${jid}`),
    sessionLost: (jid, _reason, final) => events.push(`${final ? 'stopped' : 'lost'} ${jid}`),
    messageReturned: (jid, { id, to }, { code, message }) =>
      events.push(`returned ${jid} ${id} ${to} ${code} ${message}`),
    streamStarted: () => events.push('stream up'),
    streamLost: () => events.push('stream lost'),
  });
  return Object.assign(transport, { events });
}
