#!/bin/sh
# Installs Chromium for the tests of the console (test/console/) if it is missing (apt-package.sh).
set -eu
. "${0%/*}/apt-package.sh"

present() {
  command -v chromium >/dev/null 2>&1
}

install_package chromium "Chromium" "the program chromium"
