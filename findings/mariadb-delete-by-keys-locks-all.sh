#!/bin/sh
# MariaDB: a DELETE of rows by their primary keys waits for a row that it does not name.
#
# A good engineer would guess: `DELETE FROM outbox WHERE id IN (1, 2, 3, 4)` locks these four rows and nothing else. So a
# sender that deletes what it has sent never meets a transaction that has just inserted another row.
#
# What really happens: in a small table, where the list names most of the rows, the optimizer reads the whole table, and InnoDB
# locks what is read. Then the DELETE waits until the other transaction has ended, and two such statements can be a deadlock.
# The list of three out of four still goes by the key. One statement for each row does not wait.
#
# Versions: mariadb-server-core 10.11 (Debian 12). It has to be installed; nothing has to run.
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
server=
stop() {
  exec 3>&- || :
  [ -z "$server" ] || { kill "$server" 2>/dev/null || :; wait "$server" 2>/dev/null || :; }
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
case $(dpkg-query -W -f '${Version}' mariadb-server-core 2>/dev/null) in
  *10.11.*) ;;
  *) cannot 'this needs MariaDB 10.11 from Debian 12 (apt-get install --no-install-recommends mariadb-server-core mariadb-client-core).' ;;
esac
command -v mariadb >/dev/null || cannot 'this needs mariadb-client-core.'
user=$(id -un)
mkdir "$work/tmp"
mariadb-install-db --no-defaults --datadir="$work/data" --user="$user" --auth-root-authentication-method=normal \
  --skip-test-db >/dev/null 2>&1 || cannot 'mariadb-install-db failed.'
mariadbd --no-defaults --user="$user" --datadir="$work/data" --tmpdir="$work/tmp" --socket="$work/sock" --skip-networking \
  --innodb-lock-wait-timeout=2 >"$work/log" 2>&1 &
server=$!
query() {
  mariadb --no-defaults -u root -S "$work/sock" -N -e "$1" 2>&1
}
# $1: a query that prints 1 when it is time to go on.
until_true() {
  tries=0
  until [ "$(query "$1")" = 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || cannot 'a minute was not enough.'
    sleep 0.2
  done
}
until_true 'SELECT 1'
query 'CREATE DATABASE d; CREATE TABLE d.outbox (id INT PRIMARY KEY AUTO_INCREMENT, x INT) ENGINE=InnoDB;
  INSERT INTO d.outbox (x) VALUES (1), (2), (3), (4)'

# Somebody has inserted the fifth row, and has not committed.
mkfifo "$work/in"
mariadb --no-defaults -u root -S "$work/sock" <"$work/in" &
exec 3>"$work/in"
echo 'BEGIN; INSERT INTO d.outbox (x) VALUES (5);' >&3
until_true 'SELECT COUNT(*) FROM information_schema.INNODB_TRX'

# $1: statements. Prints what came of them; nothing is changed.
outcome() {
  said=$(query "BEGIN; $1; ROLLBACK") && echo done || echo "$said" | grep -o 'Lock wait timeout exceeded' || echo "$said"
}
one_by_one=$(outcome 'DELETE FROM d.outbox WHERE id = 1; DELETE FROM d.outbox WHERE id = 2;
  DELETE FROM d.outbox WHERE id = 3; DELETE FROM d.outbox WHERE id = 4')
three=$(outcome 'DELETE FROM d.outbox WHERE id IN (1, 2, 3)')
four=$(outcome 'DELETE FROM d.outbox WHERE id IN (1, 2, 3, 4)')

mariadbd --version
echo "four rows are committed, a fifth one is inserted and not committed"
echo "DELETE … WHERE id = 1, and so on, one by one   $one_by_one"
echo "DELETE … WHERE id IN (1, 2, 3)                 $three"
echo "DELETE … WHERE id IN (1, 2, 3, 4)              $four"
[ "$one_by_one" = done ] && [ "$three" = done ] && [ "$four" = 'Lock wait timeout exceeded' ] || {
  echo 'CHANGED: these are other outcomes.' >&2
  exit 1
}
echo 'As described: the list of four waits for the fifth row.'
