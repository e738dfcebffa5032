#!/bin/sh
# Installs ejabberd and the Erlang compiler if they are missing (Debian or Ubuntu, as root). It asks no questions and can
# be run again safely. The service uses private ejabberds (scripts/private-ejabberd.ts), so the daemon of the package must
# never start: policy-rc.d prevents that.
set -eu

# The package ejabberd brings the headers of p1_xmpp (erlang-p1-xmpp) and the compiler (erlang-base).
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

command -v apt-get >/dev/null 2>&1 || give_up "this script can install it on Debian and Ubuntu only."
[ "$(id -u)" = 0 ] || give_up "installing it needs root."

# Without this file the package's postinst starts a daemon on port 5222 (invoke-rc.d asks it first).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
echo "Installing ejabberd ..." >&2
# Waits for another apt (unattended upgrades) that holds the lock.
apt-get -o DPkg::Lock::Timeout=120 update -qq </dev/null >&2
apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends ejabberd </dev/null >&2

present || give_up "the package was installed, but erl, erlc or ejabberdctl cannot be found."
