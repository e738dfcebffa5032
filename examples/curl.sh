#!/bin/sh
# One request for each endpoint of the HTTP API. `make run` first; then, in another terminal:
#
#   sh examples/curl.sh
#
# The shell prints each line before it runs it, with its variables unexpanded, so no key is shown.
# Everything that an endpoint takes and answers is described at http://127.0.0.1:8090/docs.
set -eu
DATA=${DATA_DIR:-./data}
demo() { node -p "JSON.parse(require('fs').readFileSync('$DATA/demo.json'))['$1']"; }
API=$(demo api)
TENANT=$(demo tenant)
KEY="authorization: Bearer $(demo apiKey)"
ADMIN="authorization: Bearer $(demo adminToken)"
JSON='content-type: application/json'
secret() { node -p "JSON.parse(require('fs').readFileSync('$DATA/demo-secrets.json'))['$1']"; }
WEBHOOK_SECRET=$(secret webhookSecret)
CALLBACK_SECRET=$(secret callbackSecret)
VISITOR=anna
CHAT=c$(date +%s)
OPERATOR=op2
CANNED=greeting
alias curl='curl -sS -w "\n"'
set -v

# --- A visitor ---

# The visitor views a page. An Idempotency-Key makes it safe to send any command again.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/page-views" -H "$KEY" -H "$JSON" -H "idempotency-key: view-$CHAT" \
  -d '{"page":"https://shop.example/shoes","title":"Shoes","nick":"Anna","country":"Germany","timezone":"Europe/Berlin","language":"de"}'

# The visitor starts a chat.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/chats" -H "$KEY" -H "$JSON" \
  -d '{"chatId":"'$CHAT'","department":"sales","message":{"body":"Do you have these in 43?"}}'

# The visitor writes. Choose the id yourself: callbacks about this message will name it.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/messages" -H "$KEY" -H "$JSON" \
  -d '{"id":"message-'$CHAT'","chatId":"'$CHAT'","body":"Hello?"}'

# The visitor is typing: composing, paused or active. It is shown at once or not at all.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/typing" -H "$KEY" -H "$JSON" -d '{"state":"composing"}'

# The visitor has seen an operator's message, and all before it. The id is from chat.message or visitor.invited.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/displayed" -H "$KEY" -H "$JSON" -d '{"messageId":"a1b2"}'
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/reactions" -H "$KEY" -H "$JSON" -d '{"messageId":"a1b2","reactions":["👍"]}'

# Several commands in one request, each with an id. They are answered one by one.
curl -X POST "$API/v1/$TENANT/batch" -H "$KEY" -H "$JSON" -d '{"requests":[
  {"id":"b1-'$CHAT'","method":"POST","path":"visitors/'$VISITOR'/page-views","body":{"page":"https://shop.example/boots"}},
  {"id":"b2-'$CHAT'","method":"POST","path":"visitors/'$VISITOR'/messages","body":{"body":"Or these?"}}]}'

# --- Queries ---

# One visitor, its messages, and all visitors that are online.
curl "$API/v1/$TENANT/visitors/$VISITOR" -H "$KEY"
curl "$API/v1/$TENANT/visitors/$VISITOR/messages?limit=50" -H "$KEY"
curl "$API/v1/$TENANT/visitors?online=true&sort=-lastSeen" -H "$KEY"

# Chats that nobody has answered, all chats, and one.
curl "$API/v1/$TENANT/queue?department=sales" -H "$KEY"
curl "$API/v1/$TENANT/chats?state=waiting" -H "$KEY"
curl "$API/v1/$TENANT/chats/$CHAT" -H "$KEY"

# Departments, and the numbers of a day.
curl "$API/v1/$TENANT/departments?timezone=Europe/Berlin" -H "$KEY"
curl "$API/v1/$TENANT/stats?since=$(date +%F)" -H "$KEY"

# Changes as they happen (server-sent events), here for one second.
curl -N --max-time 1 "$API/v1/$TENANT/stream?types=chat,message" -H "$KEY" || true

# Somebody takes the chat in LHC's own pages, and writes there.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/chats/$CHAT/owner" -H "$KEY" -H "$JSON" -d '{"lhcUserId":12,"name":"Olga"}'
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/chats/$CHAT/operator-messages" -H "$KEY" -H "$JSON" -d '{"id":"lhc-9","lhcUserId":12,"name":"Olga","body":"Hello"}'

# --- The end of the chat ---

# LHC hands the chat to a department, or to an operator: {"operator":"op1"}.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/chats/$CHAT/transfer" -H "$KEY" -H "$JSON" -d '{"department":"sales"}'

# The chat is over.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/chats/$CHAT/close" -H "$KEY" -H "$JSON" -d '{"by":"visitor"}'

# The visitor is gone: it is no longer shown. Then: forget it now, its account too.
curl -X POST "$API/v1/$TENANT/visitors/$VISITOR/timeout" -H "$KEY"
curl -X DELETE "$API/v1/$TENANT/visitors/$VISITOR" -H "$KEY"

# Everything that is kept about a visitor, for a person who asks, and its erasure
curl "$API/v1/$TENANT/visitors/$VISITOR/data" -H "$KEY"
curl -X DELETE "$API/v1/$TENANT/visitors/$VISITOR?erase=true" -H "$KEY"

# --- Operators ---

# Register an operator, which makes its XMPP account; look at it; list all; remove it and its account.
curl -X PUT "$API/v1/$TENANT/operators/$OPERATOR" -H "$KEY" -H "$JSON" \
  -d '{"lhcUserId":2,"name":"Otto","departments":["sales"],"capacity":3,"tier":2,"tiers":{"sales":1},"languages":["de","en"],"password":"at-least-a-long-one"}'
curl "$API/v1/$TENANT/operators/$OPERATOR" -H "$KEY"
curl "$API/v1/$TENANT/operators?department=sales" -H "$KEY"
curl -X DELETE "$API/v1/$TENANT/operators/$OPERATOR" -H "$KEY"

# What operators often write, by a short name: in a conversation "!canned greeting" sends it.
curl -X PUT "$API/v1/$TENANT/canned-texts/$CANNED" -H "$KEY" -H "$JSON" -d '{"text":"Hello {visitor}, this is {operator}."}'
curl "$API/v1/$TENANT/canned-texts/$CANNED" -H "$KEY"
curl "$API/v1/$TENANT/canned-texts" -H "$KEY"
curl -X DELETE "$API/v1/$TENANT/canned-texts/$CANNED" -H "$KEY"

# --- The tenant itself ---

# Its settings without secrets, the service's clock and version, and whether callbacks go. Does LHC take them?
curl "$API/v1/$TENANT" -H "$KEY"
curl -X POST "$API/v1/$TENANT/callback-test" -H "$KEY"

# --- Search ---

# Messages with a word that begins so; visitors, chats by the name that the visitor had.
curl "$API/v1/$TENANT/search?q=hel" -H "$KEY"
curl "$API/v1/$TENANT/search?q=$VISITOR&in=visitors" -H "$KEY"

# --- Tenants, with the admin token ---

# Make a tenant on the demonstration's second host. Its first key is in this answer alone. The same request changes nothing.
SHOP=curl-shop
curl -X PUT "$API/v1/tenants/$SHOP" -H "$ADMIN" -H "$JSON" -H "idempotency-key: shop-$CHAT" \
  -d '{"host":"shops.localhost","instance":"example-shop","callbackUrl":"'"$(demo lhc)"'/","callbackSecret":"'"$CALLBACK_SECRET"'"}'
curl "$API/v1/tenants/$SHOP" -H "$ADMIN"
curl "$API/v1/tenants?limit=20" -H "$ADMIN"

# Does its LHC take callbacks?
curl -X POST "$API/v1/tenants/$SHOP/callback-test" -H "$ADMIN"

# A new key; the key of before is valid for an hour more.
curl -X POST "$API/v1/tenants/$SHOP/keys" -H "$ADMIN" -H "$JSON" -d '{"overlap":3600}'

# Remove it, with its log.
curl -X DELETE "$API/v1/tenants/$SHOP?purge=true" -H "$ADMIN"

# --- ejabberd ---

# What mod_lhc does: a signed batch of events (here with none in it).
BATCH='[]' ID=example-1 NOW=$(date +%s)
SECRET_HEX=$(printf %s "${WEBHOOK_SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
SIGNATURE=$(printf %s "$ID.$NOW.$BATCH" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$SECRET_HEX" -binary | base64)
curl -X POST "$API/ejabberd/events" -H "$JSON" -d "$BATCH" \
  -H "webhook-id: $ID" -H "webhook-timestamp: $NOW" -H "webhook-signature: v1,$SIGNATURE"

# What LHC's own webhooks say, if LHC has no extension. This tenant has no webhookKey, so this is a 401.
curl -X POST "$API/lhc/webhooks/$TENANT" -H "$KEY" -H "$JSON" -d '{"chat":17}'

# What ejabberd's older modules do. They are let in from the addresses of LEGACY_CALLBACKS_FROM alone, so this is a 403.
curl -X POST "$API/xmppservice/operatorstatus" -H "$JSON" -d '{"action":"connect","user":"op1","server":"localhost"}'
curl -X POST "$API/xmppservice/processmessage" -d 'type=chat&sender=op1&receiver=visitor.anna&server=localhost&status=&body=Hello'

# --- Debugging, with the admin token ---

# Streams of a visitor by their address, those of a tenant, and what a text names: a chat, a key, an address, a request.
curl "$API/debug/streams?jid=visitor.$VISITOR@localhost" -H "$ADMIN"
curl "$API/debug/streams?tenant=$TENANT&category=visitor&limit=5" -H "$ADMIN"
curl "$API/debug/search?q=$VISITOR" -H "$ADMIN"

# What happened to a visitor, what it was at its third fact, and the newest facts of all streams.
STREAM=visitor-$TENANT.$VISITOR
curl "$API/debug/streams/$STREAM" -H "$ADMIN"
curl "$API/debug/streams/$STREAM/state?revision=2" -H "$ADMIN"
# The same step by step: state, transitions, changes and timers; what differs between two facts; the state chart.
curl "$API/debug/streams/$STREAM/steps?from=1&limit=10" -H "$ADMIN"
curl "$API/debug/streams/$STREAM/diff?a=0&b=2" -H "$ADMIN"
# What its facts have called for in XMPP and LHC, and everything that one request caused. Nobody sent this one: 404.
curl "$API/debug/streams/$STREAM/effects?limit=10" -H "$ADMIN"
REQUEST=none
curl "$API/debug/traces/$REQUEST" -H "$ADMIN"
# When each fact was, and of which type: for a list of a long stream.
curl "$API/debug/streams/$STREAM/outline?limit=1000" -H "$ADMIN"
# And what would have happened if the visitor had stayed away for an hour.
curl -X POST "$API/debug/streams/$STREAM/what-if" -H "$ADMIN" -H "$JSON" -d '{"at":{"revision":0},"actions":[{"wait":3600000}]}'
# Fold the whole log with the machines of this version: facts that do not fit, snapshots that differ.
curl "$API/debug/replay?tenant=$TENANT" -H "$ADMIN"
KIND=visitor
curl "$API/debug/machines/$KIND" -H "$ADMIN"
curl "$API/debug/events?direction=backwards&limit=5" -H "$ADMIN"

# What mod_lhc has brought; the read models; build them anew.
curl "$API/debug/webhooks" -H "$ADMIN"
curl "$API/debug/projections" -H "$ADMIN"
curl -X POST "$API/debug/projections/rebuild" -H "$ADMIN"

# Dead letters; one of them; send it again; discard it. The demonstration has none, so the last three answer 404.
LETTER=none
curl "$API/debug/dead-letters?tenant=$TENANT&limit=20" -H "$ADMIN"
curl "$API/debug/dead-letters/$LETTER" -H "$ADMIN"
curl -X POST "$API/debug/dead-letters/$LETTER/send" -H "$ADMIN"
curl -X DELETE "$API/debug/dead-letters/$LETTER" -H "$ADMIN"

# --- The service itself, without a key ---
curl "$API/healthz"
curl "$API/readyz"
curl "$API/metrics" | sed -n 1,5p
curl "$API/openapi.json" | cut -c 1-300
curl "$API/docs" | sed -n 1,5p
