#!/bin/sh
# node:net's BlockList: a rule for IPv6 alone matches every IPv4 address.
#
# A good engineer would guess: addSubnet('::', 8, 'ipv6') is about IPv6. The list of IANA has such ranges ("reserved by
# the IETF"), and whoever builds a guard for outgoing requests copies them.
#
# What really happens: an IPv4 address is compared as the IPv4-mapped one (::ffff:8.8.8.8) with the rules for IPv6. So each
# IPv6 range that contains ::ffff:0:0/96, such as ::/8, ::/3 or ::ffff:0:0/96 itself, matches all of IPv4: the guard refuses
# every webhook to an IPv4 host, and `check('8.8.8.8')` gives no hint why. Ranges beside it (64:ff9b::/96, 2000::/3) do not.
# The other way round it is as wished: a rule for 10.0.0.0/8 matches ::ffff:10.0.0.1.
#
# Versions: Node 24.14.0 and 26.10.0 (from npm; on Linux they need libatomic).
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
cd "$work"

cat >try.mjs <<'JS'
import { BlockList } from 'node:net';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
function listOf(network, prefix, family) {
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return list;
}
const IPV4 = ['8.8.8.8', '192.0.2.1', '100.64.0.1'];
for (const [network, prefix] of [['::', 8], ['::', 3], ['::ffff:0:0', 96]]) {
  const list = listOf(network, prefix, 'ipv6');
  const taken = IPV4.filter((address) => list.check(address, 'ipv4'));
  console.log(`${network}/${prefix} as IPv6 matches of IPv4:`, taken.join(', ') || 'nothing');
  if (taken.length !== IPV4.length) changed(`${network}/${prefix} leaves IPv4 alone.`);
}
for (const [network, prefix] of [['64:ff9b::', 96], ['2000::', 3]]) {
  if (IPV4.some((address) => listOf(network, prefix, 'ipv6').check(address, 'ipv4'))) changed(`${network}/${prefix} matches IPv4 too.`);
}
const mapped = listOf('10.0.0.0', 8, 'ipv4').check('::ffff:10.0.0.1', 'ipv6');
console.log('10.0.0.0/8 as IPv4 matches ::ffff:10.0.0.1:', mapped);
if (!mapped) changed('An IPv4 rule leaves the mapped address alone.');
JS

for version in 24.14.0 26.10.0; do
  mkdir "$version"
  echo '{}' >"$version/package.json"
  (cd "$version" && timeout 180 npm install --silent --no-audit --no-fund --before=2026-11-29 "node@$version") || cannot "npm could not install Node $version."
  "$version/node_modules/.bin/node" --version || cannot 'this Node does not start here (on Debian: apt-get install libatomic1).'
  "$version/node_modules/.bin/node" try.mjs
done
echo 'As described.'
