#!/bin/sh
# Installs ejabberd and the Erlang compiler where they are missing (Debian or Ubuntu, as root). Asks nothing, can be
# run again without harm, and is quick when there is nothing to do. The service's own ejabberd is a private one
# (scripts/private-ejabberd.ts): the packaged daemon must never start, which policy-rc.d sees to.
set -eu

# The headers of p1_xmpp (erlang-p1-xmpp) and the compiler (erlang-base) come with the ejabberd package.
present() {
  command -v erl >/dev/null 2>&1 &&
    command -v erlc >/dev/null 2>&1 &&
    { command -v ejabberdctl >/dev/null 2>&1 || [ -x /usr/sbin/ejabberdctl ]; }
}

give_up() {
  echo "ejabberd is missing: $1" >&2
  echo "Install ejabberd 23.01 or newer and the Erlang compiler (erlc), and run this again." >&2
  echo "On Debian or Ubuntu, as root: apt-get install --no-install-recommends ejabberd" >&2
  exit 1
}

if present; then
  exit 0
fi

command -v apt-get >/dev/null 2>&1 || give_up "this is not Debian or Ubuntu, so it cannot be installed from here."
[ "$(id -u)" = 0 ] || give_up "installing it needs root."

# Without a policy the package's postinst starts its own daemon on 5222 (invoke-rc.d asks this file first).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
echo "Installing ejabberd ..." >&2
# Another apt on the machine (unattended upgrades) holds the lock for a while: wait for it rather than fail.
apt-get -o DPkg::Lock::Timeout=120 update -qq </dev/null >&2
apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends ejabberd </dev/null >&2

present || give_up "the package was installed, but erl, erlc or ejabberdctl cannot be found."
