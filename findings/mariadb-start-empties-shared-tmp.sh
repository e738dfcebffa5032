#!/bin/sh
# MariaDB: a server that starts deletes the temporary tables of the other servers that share its tmpdir.
#
# A good engineer would guess: two servers with folders, sockets and ports of their own do not touch each other. That both
# use the default tmpdir, /tmp, does no harm, because the names of temporary files have the process id in them.
#
# What really happens: at its start a server deletes every file in its tmpdir whose name begins with `#sql`, whoever made it.
# A session of another server keeps what it has open. A statement that opens its temporary table once more (a join of the
# table with itself) gets "Can't find file" (errno 2). So a test that starts a private server can break one that runs.
# A tmpdir of its own for each server (--tmpdir) avoids it.
#
# Versions: mariadb-server-core 10.11 (Debian 12). It has to be installed; nothing has to run.
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
servers=
stop() {
  for pid in $servers; do
    kill "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
  done
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

# $1: the name of the server. $2: its tmpdir.
start() {
  mariadb-install-db --no-defaults --datadir="$work/$1" --user="$user" --auth-root-authentication-method=normal \
    --skip-test-db >/dev/null 2>&1 || cannot 'mariadb-install-db failed.'
  mariadbd --no-defaults --user="$user" --datadir="$work/$1" --tmpdir="$2" --socket="$work/$1.sock" --skip-networking \
    --pid-file="$work/$1.pid" >"$work/$1.log" 2>&1 &
  servers="$servers $!"
  tries=0
  until mariadb --no-defaults -u root -S "$work/$1.sock" -e 'SELECT 1' >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || cannot 'the server did not start within a minute.'
    sleep 0.2
  done
}
# $1: a word that the session prints.
session_says() {
  tries=0
  until grep -q "$1" "$work/out"; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { cat "$work/out"; echo "CHANGED: the session did not say $1." >&2; exit 1; }
    sleep 0.2
  done
}

mkdir "$work/shared" "$work/own"
start first "$work/shared"
mkfifo "$work/in"
# One session of the first server, which stays open.
mariadb --no-defaults -u root -S "$work/first.sock" --force --unbuffered -N <"$work/in" >"$work/out" 2>&1 &
servers="$servers $!"
exec 3>"$work/in"
echo "CREATE DATABASE d; USE d; CREATE TEMPORARY TABLE t (n INT) ENGINE=Aria; INSERT INTO t VALUES (1), (2);
  SELECT CONCAT('before: ', COUNT(*)) FROM t;" >&3
session_says 'before: 2'

start neighbour "$work/own"
echo "SELECT CONCAT('a neighbour with its own tmpdir: ', COUNT(*)) FROM t a, t b;" >&3
session_says 'own tmpdir: 4'

start second "$work/shared"
echo "SELECT CONCAT('a neighbour with the same tmpdir: ', COUNT(*)) FROM t a, t b, t c; SELECT 'the end';" >&3
session_says 'the end'
exec 3>&-

mariadbd --version
sed "s|$work|…|" "$work/out"
grep -q "Can't find file.*errno: 2" "$work/out" || {
  echo 'CHANGED: the temporary table has survived the start of the second server.' >&2
  exit 1
}
echo 'As described: the start of one server has deleted the temporary table of another.'
