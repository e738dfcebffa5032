#!/bin/sh
# Writes ejabberd.yml from the environment and starts ejabberd. `entrypoint.sh render` only writes the file.
# Checks every value before it goes into the configuration, and reports all errors at once.
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
# check NAME PATTERN MESSAGE: the value must be one line that matches the extended regular expression.
check() {
  eval "value=\${$1-}" # the name comes from this file
  case $value in
    '') fault "$1" 'is not set' ;;
    *"$newline"*) fault "$1" 'has a line break' ;;
    *) printf '%s\n' "$value" | grep -Eqx -- "$2" || fault "$1" "$3" ;;
  esac
}

host='[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*'
name='[a-z0-9_][a-z0-9._-]*'
address='[0-9a-fA-F:.]+(/[0-9]{1,3})?'
digit='[A-Za-z0-9+/]' # of base64

EJABBERD_LOG_LEVEL=${EJABBERD_LOG_LEVEL:-info}
EJABBERD_API_FROM=${EJABBERD_API_FROM:-127.0.0.0/8}

check EJABBERD_HOSTS "$host(,$host)*" 'must be one or more host names in lower case, separated by commas'
check EJABBERD_API_USER "$name@$host" 'must be a full JID in lower case, e.g. xmpp-chat-api@example.org'
check EJABBERD_API_PASSWORD '[ -~]{16,}' 'must have at least 16 characters, all of them printable ASCII'
check EJABBERD_API_FROM "$address(,$address)*" 'must be one or more addresses or networks, e.g. 172.30.90.0/24, separated by commas'
check EJABBERD_WEBHOOK_URL 'https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/-]*' 'must be an http(s) URL with a path, e.g. http://balancer:8080/ejabberd/events'
check EJABBERD_WEBHOOK_SECRET "whsec_($digit{4}){6,}($digit{2}==|$digit{3}=)?" 'must be whsec_ and the base64 of 18 bytes or more'
check EJABBERD_COMPONENT_SECRET '[A-Za-z0-9]{32,}' 'must have at least 32 characters of A-Z, a-z and 0-9'
check EJABBERD_LOG_LEVEL '(none|emergency|alert|critical|error|warning|notice|info|debug)' 'must be a log level of ejabberd, e.g. info'

api_user=${EJABBERD_API_USER-}
api_host=${api_user#*@}
case ",${EJABBERD_HOSTS-}," in
  *",$api_host,"*) ;;
  *) fault EJABBERD_API_USER 'must be on one of EJABBERD_HOSTS' ;;
esac

template=plain.yml
if [ -n "${EJABBERD_CERTFILE-}" ]; then
  template=tls.yml
  check EJABBERD_CERTFILE '/[A-Za-z0-9._/-]+' 'must be an absolute path'
  [ -r "$EJABBERD_CERTFILE" ] || fault EJABBERD_CERTFILE 'must be readable by the user of ejabberd'
fi

if [ -n "$faults" ]; then
  echo "wrong configuration:$faults" >&2
  exit 1
fi

# Turns a list into the elements of a JSON list. The template has the outer quotes.
list() { printf '%s' "$1" | sed 's/,/","/g'; }

# On standard input, because other users can read a command line. The checks above allow no character that is special
# to sed.
mkdir -p "$run"
sed -f /dev/stdin "$templates/$template" >"$run/ejabberd.yml" <<END
s|@HOSTS@|$(list "$EJABBERD_HOSTS")|
s|@API_USER@|${api_user%@*}|
s|@API_HOST@|$api_host|
s|@API_FROM@|$(list "$EJABBERD_API_FROM")|
s|@WEBHOOK_URL@|$EJABBERD_WEBHOOK_URL|
s|@WEBHOOK_SECRET@|$EJABBERD_WEBHOOK_SECRET|
s|@COMPONENT_SECRET@|$EJABBERD_COMPONENT_SECRET|
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
unset EJABBERD_WEBHOOK_SECRET EJABBERD_API_PASSWORD EJABBERD_COMPONENT_SECRET

# As in scripts/private-ejabberd.ts: without a node name there is no epmd and no cookie, and any container can use the
# spool.
exec erl +K true +P 250000 +sbwt none +sbwtdcpu none +sbwtdio none -pa "$beams" \
  -mnesia dir "\"$spool\"" -noinput -s ejabberd -eval '
[U, S, P] = [list_to_binary(os:getenv(N)) || N <- ["API_USER", "API_HOST", "API_PASSWORD"]],
ejabberd_auth:try_register(U, S, P), ejabberd_auth:set_password(U, S, P).'
