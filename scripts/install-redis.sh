#!/bin/sh
# Installs redis-server for the tests if it is missing (apt-package.sh).
set -eu
. "${0%/*}/apt-package.sh"

present() {
  command -v redis-server >/dev/null 2>&1
}

install_package redis-server "Redis 6 or newer" redis-server
