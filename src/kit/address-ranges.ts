/** Ranges of IP addresses, and which addresses are on the public Internet. */
import { BlockList, isIP } from 'node:net';

export interface AddressRanges {
  /** @param address IPv4 or IPv6. An IPv4 address counts as well where IPv6 maps it (RFC 4291 §2.5.5.2) or translates it (RFC 6052 §2.1). */
  includes(address: string): boolean;
}

/** The prefix behind which a translator reaches IPv4 (RFC 6052 §2.1). */
const TRANSLATED = { prefix: '64:ff9b::', bits: 96 };

interface Range {
  readonly address: string;
  readonly bits: number;
  readonly isV6: boolean;
}

function rangeOf(text: string): Range | null {
  const [address = '', length, ...more] = text.split('/');
  const family = address.includes('%') ? 0 : isIP(address);
  const most = family === 6 ? 128 : 32;
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : most + 1;
  if (family === 0 || bits > most || more.length > 0) return null;
  return { address, bits, isV6: family === 6 };
}

/** Whether the text is an address, or a range such as `10.0.0.0/8` or `fd00::/8`. */
export const isAddressRange = (text: string): boolean => rangeOf(text) !== null;

/**
 * @param texts addresses and ranges in the notation of CIDR
 * @throws {RangeError} for anything else
 */
export function addressRanges(texts: readonly string[]): AddressRanges {
  // Two lists: a BlockList takes an IPv4 address for ::ffff:0:0/96, so each range of IPv6 around that has all of IPv4 in it.
  const v4 = new BlockList();
  const v6 = new BlockList();
  for (const text of texts) {
    const range = rangeOf(text);
    if (!range) throw new RangeError(`${text} is no address and no range`);
    const { address, bits, isV6 } = range;
    if (isV6) v6.addSubnet(address, bits, 'ipv6');
    else {
      v4.addSubnet(address, bits, 'ipv4');
      v6.addSubnet(TRANSLATED.prefix + address, TRANSLATED.bits + bits, 'ipv6');
    }
  }
  return {
    includes(address) {
      const family = isIP(address);
      if (family === 4) return v4.check(address);
      return family === 6 && (v4.check(address, 'ipv6') || v6.check(address, 'ipv6'));
    },
  };
}

/** What is given out as addresses of the Internet (https://www.iana.org/assignments/ipv6-address-space). */
const GIVEN_OUT = addressRanges(['0.0.0.0/0', '2000::/3']);

/**
 * The registries of special addresses as of 2026 (iana-ipv4-special-registry, iana-ipv6-special-registry), multicast, and
 * what is reserved. Also those that can be reached from everywhere: no LHC has one.
 */
const SPECIAL = addressRanges(
  `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
  192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
  203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
  2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20`.split(/\s+/),
);

/** Whether an address is one of the public Internet: none of a machine, of a private network, or with a special use. */
export const isPublicAddress = (address: string): boolean =>
  GIVEN_OUT.includes(address) && !SPECIAL.includes(address);
