#!/bin/sh
# Writes ejabberd.yml from the environment and becomes ejabberd. `entrypoint.sh render` only writes the file.
# Every value is checked before it is put into the configuration, and all that is wrong is named at once.
set -eu
export LC_ALL=C
umask 077

templates=${XMPP_CHAT_TEMPLATES:-/opt/xmpp-chat}
beams=${XMPP_CHAT_BEAMS:-/opt/xmpp-chat/mod_lhc}
run=${XMPP_CHAT_RUN:-/run/ejabberd}
spool=${XMPP_CHAT_SPOOL:-/var/lib/xmpp-chat}

faults=
fault() { faults="$faults
  $1: $2"; }

newline='
'
# NAME PATTERN WHAT: the whole value matches the extended regular expression, and is one line.
check() {
  eval "value=\${$1-}" # the name is one of ours
  case $value in
    '') fault "$1" 'is not set' ;;
    *"$newline"*) fault "$1" 'has a line break' ;;
    *) printf '%s\n' "$value" | grep -Eqx -- "$2" || fault "$1" "$3" ;;
  esac
}

host='[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*'
name='[a-z0-9_][a-z0-9._-]*'
address='[0-9a-fA-F:.]+(/[0-9]{1,3})?'

EJABBERD_LOG_LEVEL=${EJABBERD_LOG_LEVEL:-info}
EJABBERD_API_FROM=${EJABBERD_API_FROM:-127.0.0.0/8}

check EJABBERD_HOSTS "$host(,$host)*" 'is one or more names of hosts in lower case, comma separated'
check EJABBERD_API_USER "$name@$host" 'is a full JID in lower case, e.g. xmpp-chat-api@example.org'
check EJABBERD_API_PASSWORD '[ -~]{16,}' 'has at least 16 characters, all of them ASCII'
check EJABBERD_API_FROM "$address(,$address)*" 'is one or more addresses or networks, e.g. 172.30.90.0/24, comma separated'
check EJABBERD_WEBHOOK_URL 'https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/-]*' 'is an http(s) URL with a path, e.g. http://balancer:8080/ejabberd/events'
check EJABBERD_WEBHOOK_SECRET 'whsec_[A-Za-z0-9+/=]{24,}' 'is whsec_ and base64, 18 bytes or more'
check EJABBERD_LOG_LEVEL '(none|emergency|alert|critical|error|warning|notice|info|debug)' 'is none of the levels of ejabberd'

api_user=${EJABBERD_API_USER-}
api_host=${api_user#*@}
case ",${EJABBERD_HOSTS-}," in
  *",$api_host,"*) ;;
  *) fault EJABBERD_API_USER 'is not on one of EJABBERD_HOSTS' ;;
esac

template=plain.yml
if [ -n "${EJABBERD_CERTFILE-}" ]; then
  template=tls.yml
  check EJABBERD_CERTFILE '/[A-Za-z0-9._/-]+' 'is an absolute path'
  [ -r "$EJABBERD_CERTFILE" ] || fault EJABBERD_CERTFILE 'cannot be read by the user that ejabberd runs as'
fi

if [ -n "$faults" ]; then
  echo "wrong configuration:$faults" >&2
  exit 1
fi

# The commas of a list become those of a JSON list; the quotes around it are the template's.
list() { printf '%s' "$1" | sed 's/,/","/g'; }

# By standard input: a command line can be read by others. No value holds a character that sed gives a meaning to.
mkdir -p "$run"
sed -f /dev/stdin "$templates/$template" >"$run/ejabberd.yml" <<END
s|@HOSTS@|$(list "$EJABBERD_HOSTS")|
s|@API_USER@|${api_user%@*}|
s|@API_HOST@|$api_host|
s|@API_FROM@|$(list "$EJABBERD_API_FROM")|
s|@WEBHOOK_URL@|$EJABBERD_WEBHOOK_URL|
s|@WEBHOOK_SECRET@|$EJABBERD_WEBHOOK_SECRET|
s|@LOG_LEVEL@|$EJABBERD_LOG_LEVEL|
s|@CERTFILE@|${EJABBERD_CERTFILE-}|
END

if [ "${1-}" = render ]; then exit 0; fi

libs=
for dir in /usr/lib/*/ejabberd-*; do
  if [ -e "$dir/ebin/ejabberd.beam" ]; then libs=${dir%/*}; fi
done
mkdir -p "$spool"
export ERL_LIBS="$libs" ERL_MAX_PORTS=32000 ERL_CRASH_DUMP_BYTES=0 HOME="$run"
export EJABBERD_CONFIG_PATH="$run/ejabberd.yml" EJABBERD_LOG_PATH="$run/ejabberd.log"
export API_USER="${api_user%@*}" API_HOST="$api_host" API_PASSWORD="$EJABBERD_API_PASSWORD"
unset EJABBERD_WEBHOOK_SECRET EJABBERD_API_PASSWORD

# As in scripts/private-ejabberd.ts: no node name, so no epmd, no cookie, and a spool that any container can take over.
exec erl +K true +P 250000 +sbwt none +sbwtdcpu none +sbwtdio none -pa "$beams" \
  -mnesia dir "\"$spool\"" -noinput -s ejabberd -eval '
[U, S, P] = [list_to_binary(os:getenv(N)) || N <- ["API_USER", "API_HOST", "API_PASSWORD"]],
ejabberd_auth:try_register(U, S, P), ejabberd_auth:set_password(U, S, P).'
