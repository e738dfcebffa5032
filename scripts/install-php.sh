#!/bin/sh
# Installs PHP, PHPUnit and MariaDB's server for the tests of lhc/ if they are missing (apt-package.sh). The tests use private
# servers (test/support/mariadb.ts).
set -eu
. "${0%/*}/apt-package.sh"

packages="php-cli php-mysql php-curl php-mbstring php-xml phpunit mariadb-server-core mariadb-client-core"

# A user's PATH may lack /usr/sbin, where Debian has mariadbd.
PATH="$PATH:/usr/sbin"

present() {
  command -v php >/dev/null 2>&1 &&
    php -r 'foreach (["pdo_mysql", "curl", "mbstring", "dom", "xmlwriter", "posix", "pcntl"] as $x) extension_loaded($x) || exit(1);' &&
    command -v phpunit >/dev/null 2>&1 &&
    command -v mariadbd >/dev/null 2>&1 &&
    command -v mariadb-install-db >/dev/null 2>&1 &&
    command -v mariadb >/dev/null 2>&1
}

install_package "$packages" "PHP 8.2 or newer with these extensions, PHPUnit 9 and MariaDB 10.3 or newer" "a part of them"

# Live Helper Chat's extension needs it (lhc/xmppchat).
php -r 'exit(PHP_VERSION_ID < 80200 ? 1 : 0);' || give_up "PHP here is $(php -r 'echo PHP_VERSION;'), and 8.2 is needed."
