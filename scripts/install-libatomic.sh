#!/bin/sh
# Node 25 and newer is linked against libatomic, which a minimal Debian or Ubuntu does not have (nodejs/node#60790):
# installs it where the Node of node_modules does not start without it. Quick when there is nothing to do.
set -eu
node=$(dirname "$0")/../node_modules/node/bin/node

if said=$("$node" --version 2>&1); then
  exit 0
fi

give_up() {
  echo "Node does not start: $said" >&2
  echo "$1" >&2
  exit 1
}

case $said in
  *libatomic.so.1*) ;;
  *) give_up "Remove node_modules and run this again; it fetches the Node of this machine's kind." ;;
esac
command -v apt-get >/dev/null 2>&1 || give_up "Install libatomic with this system's package manager, and run this again."
[ "$(id -u)" = 0 ] || give_up "As root: apt-get install libatomic1, and run this again."

export DEBIAN_FRONTEND=noninteractive
echo "Installing libatomic1 ..." >&2
apt-get -o DPkg::Lock::Timeout=120 update -qq </dev/null >&2
apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends libatomic1 </dev/null >&2
said=$("$node" --version 2>&1) || give_up "libatomic1 is installed, and it is still not found."
