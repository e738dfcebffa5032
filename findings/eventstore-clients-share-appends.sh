#!/bin/sh
# EventStoreDB's client for Node: disposing one client rejects the appends of another.
#
# A good engineer would guess: two `EventStoreDBClient` objects, for two servers, have nothing to do with each other. A
# client that is disposed of ends its own calls.
#
# What really happens: batch appends, the default, keep the promises of all clients of the process in one map. When the
# append stream of any client fails, and `dispose()` makes it fail, every promise in the map is rejected and the map is
# emptied. The append of the other client is reported as cancelled, although its server has it and may well write it. (When
# that server answers, its answer finds no promise in the map; that part is not run here.)
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
function succeed(response) {
  const success = new streamMessages.BatchAppendResp.Success();
  success.setCurrentRevision('0');
  success.setNoPosition(new shared.Empty());
  response.setSuccess(success);
  return true;
}
const keepSilent = () => false;
const sleep = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));
const event = () => jsonEvent({ type: 'Tested', data: {} });
const slow = (await double(keepSilent))();
const quick = (await double(succeed))();

const waiting = slow.appendToStream('orders', event()).then(() => 'written', (error) => `rejected: ${error.message}`);
await quick.appendToStream('other', event());
const before = await Promise.race([waiting, sleep(1_000, 'still waits for its server')]);
console.log('The append of the first client', before);
await quick.dispose();
const after = await Promise.race([waiting, sleep(2_000, 'still waits for its server')]);
console.log('The second client, of another server, is disposed of. The append of the first client', after);
if (!before.startsWith('still')) changed('The first append did not wait.');
if (!after.startsWith('rejected')) changed('The append of the other client is left alone.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
