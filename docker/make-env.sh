#!/bin/sh
# Prints docker/env.example with new secrets: sh docker/make-env.sh > .env
set -eu
umask 077
example=$(dirname "$0")/env.example

# Letters and digits only, because secrets go into URLs and configuration files without escapes.
token() { head -c 256 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | head -c 48; }

while IFS= read -r line; do
  case $line in
    WEBHOOK_SECRET=) printf '%swhsec_%s\n' "$line" "$(head -c 32 /dev/urandom | base64 | tr -d '\n')" ;;
    SERVICE_SECRET= | ADMIN_TOKEN= | EJABBERD_API_PASSWORD= | COMPONENT_SECRET= | REDIS_PASSWORD=) printf '%s%s\n' "$line" "$(token)" ;;
    *) printf '%s\n' "$line" ;;
  esac
done <"$example"
