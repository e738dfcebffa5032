#!/bin/sh
# EventStoreDB's client for Node: a deadline does not end an append to a server that does not answer.
#
# A good engineer would guess: `appendToStream(…, { deadline: 500 })` rejects with a deadline error after half a second,
# whatever the server does. gRPC has deadlines for that, and every call of the client takes one.
#
# What really happens: the deadline is sent to the server as a field of the message, and the stream that carries all
# appends has the deadline Infinity. A server that is frozen or lost keeps the promise pending; here for twelve times the
# deadline. With `credentials` in the call (of no effect on an
# insecure connection) the client takes another path, and there the same deadline is kept.
#
# Versions: @eventstore/db-client 6.2.1 (the last under this name), against a double of the server's gRPC service that
# stands below; Node 20 or newer. The project saw the same with a real EventStoreDB 23.10 that was stopped by a signal.
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
cd "$work"
echo '{}' >package.json
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 @eventstore/db-client@6.2.1 @grpc/grpc-js@1.14.7 ||
  cannot 'npm could not install the packages.'

cat >try.mjs <<'JS'
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const generated = (name) => require(`@eventstore/db-client/generated/${name}_pb.js`);
const grpc = require('@grpc/grpc-js');
const { EventStoreDBClient, jsonEvent } = require('@eventstore/db-client');
const [streams, streamMessages] = [generated('streams_grpc'), generated('streams')];
const [features, featureMessages] = [generated('serverfeatures_grpc'), generated('serverfeatures')];
const shared = generated('shared');
function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}

/** A small double of EventStoreDB: it says what it supports, and treats batch appends as it is told. */
async function double(answer) {
  const server = new grpc.Server();
  server.addService(features.ServerFeaturesService, {
    getSupportedMethods(_call, reply) {
      const method = new featureMessages.SupportedMethod();
      method.setServiceName('event_store.client.streams.streams');
      method.setMethodName('batchappend');
      const supported = new featureMessages.SupportedMethods();
      supported.setEventStoreServerVersion('23.10.0');
      supported.setMethodsList([method]);
      reply(null, supported);
    },
  });
  const unused = () => {};
  server.addService(streams.StreamsService, {
    read: unused, append: unused, delete: unused, tombstone: unused,
    batchAppend(call) {
      call.on('error', () => {});
      call.on('end', () => call.end());
      call.on('data', (request) => {
        const response = new streamMessages.BatchAppendResp();
        response.setCorrelationId(request.getCorrelationId());
        response.setStreamIdentifier(request.getOptions().getStreamIdentifier());
        if (answer(response)) call.write(response);
      });
    },
  });
  const port = await new Promise((resolve, reject) => server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(),
    (error, bound) => (error ? reject(error) : resolve(bound))));
  return (options = '') => EventStoreDBClient.connectionString(`esdb://127.0.0.1:${port}?tls=false${options}`);
}
const connect = await double(() => false); // takes every append and never answers
const event = jsonEvent({ type: 'Tested', data: {} });
/** How an append with a deadline of 500 ms ended, within 6 s. */
async function ended(options) {
  const begin = Date.now();
  const append = connect().appendToStream('orders', event, { deadline: 500, ...options });
  const pause = new Promise((resolve) => setTimeout(resolve, 6_000, undefined));
  const error = await Promise.race([append.catch((reason) => reason), pause]);
  return { after: Date.now() - begin, how: error === undefined ? 'still pending' : `${error.constructor.name}: ${error.message}` };
}
const batch = await ended({});
const single = await ended({ credentials: { username: 'admin', password: 'changeit' } });
console.log('Deadline 500 ms, by default:      ', batch);
console.log('Deadline 500 ms, with credentials:', single);
if (batch.how !== 'still pending') changed('The deadline ends an append.');
if (single.how === 'still pending' || single.after > 3_000) changed('With credentials the deadline is not kept either.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
