#!/bin/sh
# Installs Chromium for the tests of the console (test/console/) if it is missing (apt-package.sh).
set -eu
. "${0%/*}/apt-package.sh"

present() {
  command -v chromium >/dev/null 2>&1
}

# Ubuntu has it as a snap only, which has a /tmp of its own and so cannot see the profile of a test.
install_package chromium "Chromium (on Ubuntu from elsewhere: the snap sees none of the tests' files)" "the program chromium"
