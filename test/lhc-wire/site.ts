/** What both recorded days need: LHC's side, the listeners, and a tenant of this wire. */
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { startXmppserviceLhc, type XmppserviceLhc } from '../support/xmppservice-lhc.ts';
import type { ReplayOptions } from './replay.ts';

/** The host and the `secret_key` of the recordings. */
export const HOST = 'xmpp.acme.example';
export const SECRET = 'legacy-secret-1';

export interface WireSite {
  readonly lhc: XmppserviceLhc;
  readonly ports: ReplayOptions['ports'];
  /** Opens the listeners, for `startWorld`. */
  readonly environment: Readonly<Record<string, string>>;
  /** Settings of the tenant. @param path of its `callbackUrl` */
  settings(path: string): Readonly<Record<string, unknown>>;
}

/** The caller closes `lhc`. */
export async function startWireSite(): Promise<WireSite> {
  const lhc = await startXmppserviceLhc();
  const { http: node, component: rpc } = await freePorts({});
  return {
    lhc,
    ports: { 4567: node, 4560: rpc },
    environment: {
      LEGACY_LISTEN: `127.0.0.1:${node}`,
      XMLRPC_LISTEN: `127.0.0.1:${rpc}`,
      XMLRPC_PASSWORD: 'rpc-pass',
    },
    settings: (path) => ({
      callbackUrl: `${lhc.origin}${path}`,
      callbackFlavour: 'xmppservice',
      callbackSecret: undefined,
      legacySecret: SECRET,
      routing: { by: 'lhc' },
    }),
  };
}
