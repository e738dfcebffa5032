# To be sourced. Installs packages for the tests if they are missing (Debian or Ubuntu, as root). It asks no questions and
# can be run again safely. The tests start servers of their own, so the daemon of a package must never start: policy-rc.d
# prevents that.

# $1: the packages, separated by spaces. $2: what a person installs where this cannot. $3: what cannot be found after an
# installation that failed.
# The caller defines `present`, which succeeds if nothing is missing.
install_package() {
  package=$1
  wanted=$2

  if present; then
    return 0
  fi

  command -v apt-get >/dev/null 2>&1 || give_up "this script can install it on Debian and Ubuntu only."
  [ "$(id -u)" = 0 ] || give_up "installing it needs root."

  # Without this file the package's postinst starts its daemon (invoke-rc.d asks it first).
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi

  export DEBIAN_FRONTEND=noninteractive
  echo "Installing $package ..." >&2
  # Waits for another apt (unattended upgrades) that holds the lock.
  apt-get -o DPkg::Lock::Timeout=120 update -qq </dev/null >&2 || give_up "apt-get update failed (its reason is above)."
  # shellcheck disable=SC2086 # one word for each package
  apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends $package </dev/null >&2 ||
    give_up "apt-get could not install it (its reason is above)."

  present || give_up "$package: installed, but $3 cannot be found."
}

give_up() {
  echo "$package is missing: $1" >&2
  echo "Install $wanted, and run this again." >&2
  echo "On Debian or Ubuntu, as root: apt-get install --no-install-recommends $package" >&2
  exit 1
}
