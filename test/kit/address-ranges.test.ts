import { SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressRanges, isAddressRange, isPublicAddress } from '../../src/kit/address-ranges.ts';

it.each([
  ['8.8.8.8', true],
  ['1.0.0.1', true],
  ['172.15.255.255', true],
  ['172.32.0.0', true],
  ['100.63.255.255', true],
  ['100.128.0.0', true],
  ['2606:4700::1111', true],
  ['2a01:4f8::1', true],
  // Translated: what counts is the IPv4 address behind it.
  ['64:ff9b::8.8.8.8', true],
  ['::ffff:8.8.8.8', true],
  ['0.0.0.0', false],
  ['0.1.2.3', false],
  ['10.0.0.1', false],
  ['100.64.0.1', false],
  ['127.0.0.1', false],
  ['127.255.255.254', false],
  ['169.254.169.254', false],
  ['172.16.0.1', false],
  ['172.31.255.255', false],
  ['192.0.0.8', false],
  ['192.0.2.1', false],
  ['192.88.99.1', false],
  ['192.168.1.1', false],
  ['198.18.0.1', false],
  ['198.51.100.1', false],
  ['203.0.113.1', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', false],
  ['::127.0.0.1', false],
  ['::ffff:127.0.0.1', false],
  ['::ffff:a00:1', false],
  ['64:ff9b::10.0.0.1', false],
  ['64:ff9b::7f00:1', false],
  ['64:ff9b:1::8.8.8.8', false],
  ['100::1', false],
  ['2001::1', false],
  ['2001:db8::1', false],
  ['2002:7f00:1::', false],
  ['3fff::1', false],
  ['5f00::1', false],
  ['fc00::1', false],
  ['fd12:3456::1', false],
  ['fe80::1', false],
  ['fe80::1%lo', false],
  ['fec0::1', false],
  ['ff02::1', false],
  ['no address', false],
  ['', false],
])('%s is public: %s', (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected);
});

const v4 = fc.ipV4();
it('an IPv4 address is judged the same in every form', () => {
  fc.assert(
    fc.property(v4, (address) => {
      const hex = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
      const groups = `${hex.slice(0, 2).join('')}:${hex.slice(2).join('')}`;
      for (const prefix of ['::ffff:', '0:0:0:0:0:ffff:', '64:ff9b::', '64:FF9B:0:0:0:0:']) {
        for (const form of [prefix + address, prefix + groups]) {
          expect([form, isPublicAddress(form)]).toEqual([form, isPublicAddress(address)]);
        }
      }
    }),
  );
});

it('however an IPv6 address is written, it is judged the same', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
      expect(isPublicAddress(canonical)).toBe(isPublicAddress(address));
    }),
  );
});

describe('ranges', () => {
  it('hold what is in them, and IPv4 in both forms of IPv6', () => {
    const ranges = addressRanges(['10.1.0.0/16', '192.0.2.7', 'fd00:1::/32']);
    const held = ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', '192.0.2.7', 'fd00:1:2::3'];
    const others = ['10.2.0.0', '192.0.2.8', 'fd00:2::1', '::10.1.2.3', 'text'];
    expect(held.filter((each) => !ranges.includes(each))).toEqual([]);
    expect(others.filter((each) => ranges.includes(each))).toEqual([]);
  });

  it('one of IPv6 holds nothing of IPv4', () => {
    const all = addressRanges(['::/0']);
    expect(all.includes('10.0.0.1')).toBe(false);
    expect(all.includes('2606::1')).toBe(true);
    expect(addressRanges(['0.0.0.0/0']).includes('2606::1')).toBe(false);
  });

  it.each([
    ['10.0.0.0/8', true],
    ['10.0.0.0/32', true],
    ['10.0.0.0/33', false],
    ['10.0.0.0/', false],
    ['10.0.0.0/-1', false],
    ['10.0.0.0/8/8', false],
    ['10.0.0', false],
    ['::/0', true],
    ['fd00::/128', true],
    ['fd00::/129', false],
    ['fe80::1%lo', false],
    ['localhost', false],
  ])('%s is a range: %s', (text, expected) => {
    expect(isAddressRange(text)).toBe(expected);
  });
});
