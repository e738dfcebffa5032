#!/bin/sh
# EventStoreDB's client for Node: with throwOnAppendFailure=false a conflict always reports revision 1.
#
# A good engineer would guess: with `throwOnAppendFailure=false` an append that meets a wrong revision resolves with
# `success: false` and `nextExpectedRevision`, the revision that the stream has. One folds what is new and appends again
# with it, without an exception.
#
# What really happens: the code reads `BigInt(hasCurrentStreamRevision())`, the boolean and not the number. The answer is
# 1n for every stream that has events. Whoever goes on with it conflicts for ever, or in a stream at revision 1 succeeds
# by luck. The thrown error, the default, has the right number, and an empty message.
#
# Versions: @eventstore/db-client 6.2.1 (the last under this name), against a double of the server's gRPC service that
# stands below; Node 20 or newer. The project saw the same with a real EventStoreDB 23.10.
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
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 @eventstore/db-client@6.2.1 @grpc/grpc-js@1.14.7 google-protobuf@3.21.4 ||
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
const { Any } = require('google-protobuf/google/protobuf/any_pb.js');
const { Status } = generated('status');
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
/** The stream is at revision 41, and 7 was expected. */
function conflict(response) {
  const wrong = new shared.WrongExpectedVersion();
  wrong.setCurrentStreamRevision('41');
  wrong.setExpectedStreamPosition('7');
  const details = new Any();
  details.pack(wrong.serializeBinary(), 'event_store.client.WrongExpectedVersion');
  const status = new Status();
  status.setCode(9);
  status.setDetails(details);
  response.setError(status);
  return true;
}
const connect = await double(conflict);
const event = jsonEvent({ type: 'Tested', data: {} });
const quiet = await connect('&throwOnAppendFailure=false').appendToStream('orders', event, { expectedRevision: 7n });
const thrown = await connect().appendToStream('orders', event, { expectedRevision: 7n }).catch((error) => error);
console.log('The stream is at revision 41, the append expected 7.');
console.log('throwOnAppendFailure=false:', quiet);
console.log(`By default: ${thrown.constructor.name}, actualVersion ${thrown.actualVersion}, message ${JSON.stringify(thrown.message)}`);
if (thrown.actualVersion !== 41n) changed('The error has another revision: the double may not speak as the client reads.');
if (quiet.success !== false || quiet.nextExpectedRevision !== 1n) changed(`It reports revision ${quiet.nextExpectedRevision}.`);
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
