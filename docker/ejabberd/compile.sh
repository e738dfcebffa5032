#!/bin/sh
# Compiles mod_lhc against the ejabberd package that is installed: compile.sh SOURCES BEAMS.
# The folders are Debian's, as in scripts/ejabberd/release.ts.
set -eu
sources=$1
beams=$2

ebin=
for dir in /usr/lib/*/ejabberd-*/ebin /usr/lib/erlang/lib/ejabberd-*/ebin; do
  if [ -e "$dir/ejabberd.beam" ]; then ebin=$dir; fi
done
[ -n "$ebin" ] || { echo 'There is no ejabberd to compile mod_lhc for.' >&2; exit 1; }

# Beams and headers need not be in the same folder (24.12).
set --
for dir in /usr/lib/*/ejabberd-*/include /usr/lib/*/p1_xmpp-*/include \
  /usr/lib/erlang/lib/ejabberd-*/include /usr/lib/erlang/lib/p1_xmpp-*/include; do
  if [ -d "$dir" ]; then set -- "$@" -I "$dir"; fi
done

mkdir -p "$beams"
erlc "$@" -I "$sources" -pa "$ebin" +debug_info -o "$beams" "$sources"/*.erl
