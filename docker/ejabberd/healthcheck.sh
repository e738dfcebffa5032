#!/bin/bash
# Healthy if the admin API accepts the service's account. Uses bash's own TCP, because the image has no curl.
set -u
port=${XMPP_CHAT_HTTP_PORT:-5280}
auth=$(printf '%s' "$EJABBERD_API_USER:$EJABBERD_API_PASSWORD" | base64 -w 0)
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'POST /api/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}' "$auth" >&3
IFS= read -r -t 3 status <&3 || exit 1
[[ $status == 'HTTP/1.1 200 '* ]]
