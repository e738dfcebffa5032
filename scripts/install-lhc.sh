#!/bin/sh
# Installs what a private LHC runs on (scripts/lhc/) if it is missing: MariaDB, nginx, PHP-FPM, and what LHC needs of PHP.
set -eu
. "${0%/*}/apt-package.sh"

PATH="$PATH:/usr/sbin:/usr/local/sbin"

present() {
  for program in mariadbd mariadb-install-db my_print_defaults nginx php; do
    command -v "$program" >/dev/null 2>&1 || return 1
  done
  ls /usr/sbin/php-fpm* >/dev/null 2>&1 || return 1
  loaded=$(php -m)
  for extension in bcmath curl gd intl mbstring pdo_mysql soap xml zip; do
    printf '%s\n' "$loaded" | grep -qix "$extension" || return 1
  done
}

# The names without a version are of the release's own PHP.
install_package \
  "nginx-light mariadb-server-core mariadb-client-core php-cli php-fpm php-mysql php-mbstring php-xml php-curl php-gd php-intl php-bcmath php-zip php-soap" \
  "MariaDB, nginx, and PHP 8.2 or newer with FPM" \
  "one of mariadbd, mariadb-install-db, nginx, php, php-fpm, or an extension of PHP,"
