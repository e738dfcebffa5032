#!/bin/sh
# Compiles mod_lhc for the installed ejabberd package: compile.sh SOURCES BEAMS.
# The folders are those of Debian, as in scripts/ejabberd/release.ts.
set -eu
sources=$1
beams=$2

ebin=
for dir in /usr/lib/*/ejabberd-*/ebin /usr/lib/erlang/lib/ejabberd-*/ebin; do
  if [ -e "$dir/ejabberd.beam" ]; then ebin=$dir; fi
done
[ -n "$ebin" ] || { echo 'ejabberd is not installed, so mod_lhc cannot be compiled.' >&2; exit 1; }

# On 24.12 beams and headers are in different folders.
set --
for dir in /usr/lib/*/ejabberd-*/include /usr/lib/*/p1_xmpp-*/include \
  /usr/lib/erlang/lib/ejabberd-*/include /usr/lib/erlang/lib/p1_xmpp-*/include; do
  if [ -d "$dir" ]; then set -- "$@" -I "$dir"; fi
done

mkdir -p "$beams"
erlc "$@" -I "$sources" -pa "$ebin" +debug_info -o "$beams" "$sources"/*.erl
