#!/bin/sh
# Node 25 and newer needs libatomic, which a minimal Debian or Ubuntu lacks (nodejs/node#60790). Installs it if the Node
# of node_modules does not start without it.
set -eu
node=$(dirname "$0")/../node_modules/node/bin/node

if output=$("$node" --version 2>&1); then
  exit 0
fi

give_up() {
  echo "Node does not start: $output" >&2
  echo "$1" >&2
  exit 1
}

case $output in
  *libatomic.so.1*) ;;
  *) give_up "Remove node_modules and run this again: that installs the Node for this machine." ;;
esac
command -v apt-get >/dev/null 2>&1 || give_up "Install libatomic with this system's package manager, and run this again."
[ "$(id -u)" = 0 ] || give_up "As root: apt-get install libatomic1, and run this again."

export DEBIAN_FRONTEND=noninteractive
echo "Installing libatomic1 ..." >&2
apt-get -o DPkg::Lock::Timeout=120 update -qq </dev/null >&2
apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends libatomic1 </dev/null >&2
output=$("$node" --version 2>&1) || give_up "libatomic1 is installed, but Node does not find it."
