/**
 * Keeps callbacks out of the service's own network (docs/security.md). An address that the administrator has not declared
 * in TENANTS_FILE may be anything, and a name may lead elsewhere a moment later. So the address is judged at which the
 * connection is opened.
 */
import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, fetch } from 'undici';
import { AppError } from '../errors.ts';
import { addressRanges, isPublicAddress } from '../kit/address-ranges.ts';

/** What the administrator allows beyond the public Internet (CALLBACK_ALLOW). */
export interface AllowedTargets {
  /** Names in lower case. `*.` at the begin stands for any name below it. */
  readonly hosts: readonly string[];
  /** Addresses and ranges in the notation of CIDR. */
  readonly ranges: readonly string[];
}

export const NOTHING_ALLOWED: AllowedTargets = { hosts: [], ranges: [] };

export interface CallbackGuard {
  /**
   * As `fetch`, and it opens no connection to an address that is not allowed. It uses no proxy.
   * @throws {TypeError} as fetch; its cause says which address was refused
   */
  readonly fetch: typeof globalThis.fetch;
  /**
   * Why a request to this URL would be refused whatever DNS says; null if that depends on DNS, or nothing is against it.
   * @param url a URL with http: or https:
   */
  fault(url: string): string | null;
}

const refusalOf = (host: string, address: string): string =>
  `${host === address ? host : `${host} leads to ${address}, which`} is not on the public Internet. The administrator can allow it with CALLBACK_ALLOW`;

/** The name or address of a URL, without brackets and without the dot at the end. */
const hostOf = (url: string): string =>
  new URL(url).hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');

/** Both are the own machine by definition (RFC 6761 §6.3). */
const isOwnMachine = (host: string): boolean => /(^|\.)localhost$/.test(host);

/** @param resolve how names become addresses; a parameter for tests */
export function createCallbackGuard(
  allowed: AllowedTargets,
  resolve: typeof lookup = lookup,
): CallbackGuard {
  const ranges = addressRanges(allowed.ranges);
  const mayReach = (address: string): boolean =>
    isPublicAddress(address) || ranges.includes(address);
  const isAllowedHost = (host: string): boolean =>
    allowed.hosts.some((each) =>
      each.startsWith('*.') ? host.endsWith(each.slice(1)) : host === each,
    );

  /** As Node's lookup, without the addresses that may not be reached. Node connects to what this answers. */
  const guardedLookup: LookupFunction = (name, options, answer) => {
    resolve(name, { ...options, all: true }, (error, found) => {
      if (error) return answer(error, []);
      const host = name.replace(/\.$/, '');
      const open = isAllowedHost(host) ? found : found.filter(({ address }) => mayReach(address));
      const [first] = open;
      if (found.length === 0) return answer(new Error(`${name} has no address`), []);
      if (!first) return answer(new Error(refusalOf(name, found[0]?.address ?? '')), []);
      return options.all ? answer(null, open) : answer(null, first.address, first.family);
    });
  };

  function fault(url: string): string | null {
    const host = hostOf(url);
    if (isAllowedHost(host)) return null;
    const addresses = isIP(host) ? [host] : isOwnMachine(host) ? ['127.0.0.1', '::1'] : [];
    if (addresses.length === 0 || addresses.some(mayReach)) return null;
    return refusalOf(host, addresses[0] ?? host);
  }

  // Connections of its own: one that was opened without the guard is never used again here.
  const dispatcher = new Agent({ connect: { lookup: guardedLookup } });
  const guarded = async (input: string | URL, init: object): Promise<unknown> => {
    // Node connects to a literal address without a lookup.
    const refused = fault(String(input));
    if (refused !== null) throw new AppError('refused', refused);
    return fetch(input, { ...init, dispatcher });
  };
  // undici's types of a request differ from Node's own, which are generated from another release of undici.
  return { fetch: guarded as unknown as typeof globalThis.fetch, fault };
}
