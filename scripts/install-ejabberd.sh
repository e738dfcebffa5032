#!/bin/sh
# Installs ejabberd and the Erlang compiler if they are missing (apt-package.sh). The service uses private ejabberds
# (scripts/private-ejabberd.ts).
set -eu
. "${0%/*}/apt-package.sh"

# The package ejabberd brings the headers of p1_xmpp (erlang-p1-xmpp) and the compiler (erlang-base).
present() {
  command -v erl >/dev/null 2>&1 &&
    command -v erlc >/dev/null 2>&1 &&
    { command -v ejabberdctl >/dev/null 2>&1 || [ -x /usr/sbin/ejabberdctl ]; }
}

install_package ejabberd "ejabberd 23.01 or newer and the Erlang compiler (erlc)" "erl, erlc or ejabberdctl"
