/** The service, ejabberd and a stand-in for LHC for one client, with an operator for it and another one that is a program. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operator } from '../support/operator.ts';
import { startWorld, type Tenant, type World } from '../support/world.ts';
import type { Account } from './client.ts';
import { needProgram, run } from './processes.ts';

export const DOMAIN = 'chat.test';
/** Dino knows the address of a server by DNS alone, and then takes this port (RFC 6120 §3.2.2). */
const XMPP_PORT = 5222;
/** An address of loopback on which nobody else has that port. */
const TLS_ADDRESS = '127.0.0.77';

/** The department of the client's operator, and that of the other one. */
export const SALES = 'sales';
export const SUPPORT = 'support';

export interface Rig {
  readonly world: World;
  readonly tenant: Tenant;
  /** The address of the front desk. */
  readonly desk: string;
  /** For the client: the operator `olga`. */
  readonly account: Account;
  /** The other operator. */
  readonly paula: Operator;
  readonly folder: string;
  close(): Promise<void>;
}

/** A certificate of its own authority. @returns PEM files: the certificate, and it with its key */
async function makeCertificate(folder: string) {
  needProgram('openssl', 'openssl');
  const [key, authority, certfile] = ['key.pem', 'authority.pem', 'server.pem'].map((name) =>
    join(folder, name),
  ) as [string, string, string]; // as many as names
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${DOMAIN}`, '-addext', `subjectAltName=DNS:${DOMAIN}`],
    ...['-keyout', key, '-out', authority],
  ]);
  await run('sh', ['-c', 'umask 077; cat "$1" "$2" >"$3"', 'sh', authority, key, certfile]);
  return { authority, certfile };
}

export const TRANSPORTS = ['accounts', 'component'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface RigOptions {
  /** How the visitors of the tenant get to ejabberd (docs/adr/0056-the-component-transport.md). */
  readonly transport: Transport;
  /** Settings of the tenant. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Whether the client needs TLS on the port of XMPP. */
  readonly tls: boolean;
}

export async function startRig({ settings = {}, tls, transport }: RigOptions): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), 'clients-'));
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  let world: World | undefined;
  try {
    const certificate = await makeCertificate(folder);
    world = await startWorld({
      tenants: [{ id: 'shop', host: DOMAIN, settings: { ...settings, transport } }],
      modLhc: {},
      ejabberd: {
        ...(tls && {
          extraConfig: { certfiles: [certificate.certfile] },
          extraListeners: [
            {
              port: XMPP_PORT,
              ip: TLS_ADDRESS,
              module: 'ejabberd_c2s',
              starttls: true,
              access: 'all',
            },
          ],
        }),
      },
    });
    const tenant = world.tenant('shop');
    await tenant.register('olga', { name: 'Olga', departments: [SALES] });
    await tenant.register('paula', { name: 'Paula', departments: [SUPPORT] });
    const paula = await tenant.connect('paula');
    await tenant.operatorIs('paula', 'available');
    const account: Account = {
      username: 'olga',
      domain: DOMAIN,
      password: 'pw',
      port: world.ejabberd.c2sPort,
      websocket: `ws://127.0.0.1:${world.ejabberd.httpPort}/ws`,
      tls: { address: TLS_ADDRESS, authority: certificate.authority },
    };
    const running = world;
    return {
      world,
      tenant,
      desk: `visitors@${transport === 'component' ? 'visitors.' : ''}${DOMAIN}`,
      account,
      paula,
      folder,
      async close() {
        await running.close();
        await remove();
      },
    };
  } catch (error) {
    await world?.close();
    await remove();
    throw error;
  }
}
