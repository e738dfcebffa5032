/**
 * The components of all hosts whose visitors are, or were, in XMPP by the transport `component` (docs/adr/0056). A host
 * has one, made when somebody needs it, and closed when none of its tenants does any more.
 */
import type { Logger } from 'pino';
import { hostOfComponent, streamOf, type TenantId, tenantRef } from '../actors/ids.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import type { Tenant } from '../actors/tenant/tenant.ts';
import { AppError } from '../errors.ts';
import type { EventStore } from '../eventstore/port.ts';
import { backwards } from '../eventstore/reading.ts';
import type { ContactTable } from '../reactors/visitors/contacts.ts';
import type { ComponentTransport, TransportListener } from '../xmpp/port.ts';

/** How long the end of one component may take while the service goes on. */
const CLOSE_MS = 5_000;

/** A host whose component is not connected. */
export interface ComponentAway {
  readonly host: string;
  readonly reason: string;
}

export interface Components {
  /** The component with this domain; null if it is nobody's. */
  at(domain: string): ComponentTransport | null;
  all(): readonly ComponentTransport[];
  listen(listener: TransportListener): void;
  /** Opens and closes components as tenants have them now. */
  follow(): void;
  /** Those that are not connected. */
  away(): readonly ComponentAway[];
  /** @throws {AppError} `unavailable` if this host's is not connected; its first connection is on its way */
  assertUp(host: string): void;
  /** Ends all streams. mod_lhc keeps the contacts. */
  close(deadlineMs: number): Promise<void>;
  readonly table: ContactTable;
}

interface ComponentsOptions {
  readonly tenants: Pick<TenantDirectory, 'ofHost' | 'all'>;
  /** null if the service has no listener to connect to. */
  readonly open: ((host: string) => ComponentTransport) | null;
  /** Whether a tenant had the component before, by its log. */
  readonly hadComponent: (tenant: TenantId) => Promise<boolean>;
  readonly logger: Logger;
}

interface Open {
  readonly transport: ComponentTransport;
  /** Why it is not connected; null if it is. */
  away: string | null;
}

const NOT_CONNECTED = 'it is not connected yet';

export const noComponent = (host: string): AppError =>
  new AppError('unavailable', `there is no component for ${host}`);

const notConnected = (host: string, isOnItsWay: boolean): AppError =>
  new AppError('unavailable', `the component of ${host} is not connected`, { isOnItsWay });

export function createComponents(options: ComponentsOptions): Components {
  const { tenants, open, hadComponent, logger } = options;
  /** By host. */
  const opened = new Map<string, Open>();
  const listeners: TransportListener[] = [];
  /** Tenants that had the component before: whether contacts may be left. */
  const leftovers = new Map<TenantId, boolean>();
  let isClosed = false;

  const has = ({ transport }: Tenant): boolean => transport === 'component';
  const isNeeded = (host: string): boolean =>
    tenants.ofHost(host).some((tenant) => has(tenant) || leftovers.get(tenant.id) === true);

  function make(host: string): ComponentTransport | null {
    const known = opened.get(host);
    if (known) return known.transport;
    if (!open || isClosed) return null;
    const component: Open = { transport: open(host), away: NOT_CONNECTED };
    opened.set(host, component);
    component.transport.listen({
      sessionStarted: (jid) => tell((each) => each.sessionStarted(jid)),
      sessionLost: (...args) => tell((each) => each.sessionLost(...args)),
      messageReturned: (...args) => tell((each) => each.messageReturned?.(...args)),
      streamStarted(of) {
        component.away = null;
        tell((each) => each.streamStarted?.(of));
      },
      streamLost(of, reason) {
        component.away = reason;
        tell((each) => each.streamLost?.(of, reason));
      },
    });
    return component.transport;
  }

  function tell(call: (listener: TransportListener) => void): void {
    for (const listener of listeners) call(listener);
  }

  function follow(): void {
    for (const tenant of tenants.all()) {
      if (!has(tenant)) continue;
      leftovers.set(tenant.id, true);
      make(tenant.host);
    }
    for (const [host, { transport }] of opened) {
      if (isNeeded(host)) continue;
      opened.delete(host);
      logger.info({ host }, 'no tenant needs the component of this host any more');
      transport.close(CLOSE_MS).catch((error) => logger.error({ err: error, host }, 'not closed'));
    }
  }

  /** @throws {AppError} `unavailable` */
  function of(host: string): ComponentTransport {
    const transport = make(host);
    if (!transport) throw noComponent(host);
    return transport;
  }

  function assertUp(host: string): void {
    const away = opened.get(host)?.away;
    if (away !== null) throw notConnected(host, away === NOT_CONNECTED);
  }

  async function mayHave(tenant: Tenant): Promise<boolean> {
    if (!open) return false;
    if (has(tenant)) return true;
    const known = leftovers.get(tenant.id);
    if (known !== undefined) return known;
    const had = await hadComponent(tenant.id);
    leftovers.set(tenant.id, had);
    return had;
  }

  return {
    at(domain) {
      const host = hostOfComponent(domain);
      if (host === null) return null;
      // The first visitor of a tenant may be here before anybody has followed the change.
      return opened.get(host)?.transport ?? (isNeeded(host) ? make(host) : null);
    },
    all: () => [...opened.values()].map(({ transport }) => transport),
    listen: (listener) => void listeners.push(listener),
    follow,
    async close(deadlineMs) {
      isClosed = true;
      await Promise.all([...opened.values()].map(({ transport }) => transport.close(deadlineMs)));
    },
    away: () =>
      [...opened].flatMap(([host, { away }]) => (away === null ? [] : [{ host, reason: away }])),
    assertUp,
    table: {
      mayHave,
      list({ host, instance }) {
        const transport = of(host);
        assertUp(host);
        return transport.contacts(instance ?? '');
      },
      found(jid, hash) {
        const host = hostOfComponent(jid.slice(jid.indexOf('@') + 1));
        if (host !== null) opened.get(host)?.transport.found(jid, hash);
      },
      isUp: (host) => opened.get(host)?.away === null,
      isClear(tenant) {
        leftovers.set(tenant.id, false);
        follow();
      },
    },
  };
}

/** Reads in the log whether a tenant ever had the component. */
export const hadComponentIn =
  (store: Pick<EventStore, 'readStream'>) =>
  async (tenant: TenantId): Promise<boolean> => {
    for await (const { type, data } of backwards(store, streamOf(tenantRef(tenant)))) {
      const settings = type === 'TenantConfigured' ? data.settings : null;
      if (settings && typeof settings === 'object' && 'transport' in settings) {
        if (settings.transport === 'component') return true;
      }
    }
    return false;
  };
