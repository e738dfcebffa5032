/**
 * Requests that the HTTP server refuses before the app sees them. Node answers most of them without a text. Whoever set up
 * a load balancer or a probe would have to guess why.
 */
import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { REST_OF_BODY_MS } from './frame/node-request.ts';
import { type Problem, problem } from './frame/problem.ts';

/** What Node tells of a request that it refuses. Errors of the parser have its reason and the bytes. */
interface ClientError extends NodeJS.ErrnoException {
  readonly reason?: string;
  readonly rawPacket?: Buffer;
}

/** A request line whose method is a token, as RFC 9110 §9.1 has it. */
const REQUEST_LINE = /^[!#$%&'*+.^_`|~A-Za-z0-9-]+ \S+ HTTP\/1\.[01]\r?\n/;
/** The first byte of a TLS handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16;

/** A problem as bytes, and the headers for them. */
function written(refusal: Problem) {
  const text = JSON.stringify(refusal);
  const headers = {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(text)),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  };
  return { text, headers };
}

/** Has the server answer what Node refuses. */
export function answerRefusals(server: Server): void {
  const { headersTimeout, requestTimeout } = server;
  const answers = new WeakMap<Duplex, ServerResponse>();
  server.on('request', ({ socket }, response) => answers.set(socket, response));
  server.on('clientError', (error: ClientError, socket) => {
    const answer = answers.get(socket);
    const isAnswering = answer !== undefined && !answer.writableEnded;
    // Nothing may be written into an answer that has begun.
    if (error.code === 'ECONNRESET' || (isAnswering && answer.headersSent)) socket.destroy();
    else end(socket, refusalOf(error, isAnswering ? requestTimeout : headersTimeout));
  });
  server.on('connect', (_request, socket) => {
    end(socket, problem('not-implemented', 'this is no proxy: it has no method CONNECT'));
  });
  server.on('checkExpectation', (request, response) => {
    const refusal = problem('expectation-failed', 'Expect: only 100-continue is known here', [
      { field: 'Expect', reason: 'only 100-continue is known here' },
    ]);
    request.resume();
    const { text, headers } = written(refusal);
    response.writeHead(refusal.status, headers).end(text);
  });
}

/** @param deadlineMs that this request may have exceeded: of its headers, or of the whole */
function refusalOf(error: ClientError, deadlineMs: number): Problem {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problem('request-timeout', `the request was not here within ${deadlineMs / 1_000} s`);
    case 'HPE_HEADER_OVERFLOW':
      return problem('headers-too-large', 'the request line and the headers have more than 16 KiB');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return problem('too-large', 'the extensions of a chunk have more than 16 KiB');
    default:
      return malformed(error);
  }
}

function malformed(error: ClientError): Problem {
  const { code, reason = error.message, rawPacket = Buffer.alloc(0) } = error;
  const start = rawPacket.toString('latin1', 0, 4_096);
  if (rawPacket[0] === TLS_HANDSHAKE) {
    return problem(
      'invalid',
      'this port speaks HTTP without TLS: use http://, or a proxy in front that ends TLS',
    );
  }
  if (start.startsWith('PROXY ') || start.startsWith('\r\n\r\n\0\r\nQUIT\n')) {
    return problem(
      'invalid',
      'the PROXY protocol is not spoken here: switch it off in the load balancer',
    );
  }
  if (/^[^\r\n]+\n/.test(start)) {
    return problem('invalid', 'lines of HTTP end with a carriage return and a line feed');
  }
  if (code === 'HPE_INVALID_VERSION' || start.startsWith('PRI * HTTP/2')) {
    return problem('version-not-supported', 'only HTTP/1.1 and HTTP/1.0 are spoken here');
  }
  if (code === 'HPE_INVALID_METHOD' && REQUEST_LINE.test(start)) {
    return problem('not-implemented', 'there is no such method (methods are upper case)');
  }
  // The parser's own words name the place, such as "Invalid header token", and quote nothing.
  return problem('invalid', `this is not HTTP/1.1: ${reason}`);
}

/**
 * Writes a problem and ends the connection. What still comes is read and dropped for a moment: to a sender who still
 * sends, the end of the connection could hide the answer (RFC 9112 §9.6).
 */
function end(socket: Duplex, refusal: Problem): void {
  if (!socket.writable) return;
  const { text, headers } = written(refusal);
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const { status } = refusal;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${text}`);
  socket.on('error', () => undefined); // the sender has gone
  socket.resume();
  setTimeout(() => socket.destroy(), REST_OF_BODY_MS).unref();
}

function respondTo(refusal: Problem): Response {
  const { text, headers } = written(refusal);
  return new Response(text, { status: refusal.status, headers });
}

/** Node's parser lets through what makes no URL, such as the target `*` or a Host with a space in it. */
export const badTarget = (): Response =>
  respondTo(problem('invalid', 'Host and the target of the request make no URL'));

/** RFC 9112 §3.2: without a Host only HTTP/1.0 may come. */
export const hostMissing = (): Response =>
  respondTo(
    problem('invalid', 'Host: is required by HTTP/1.1; HTTP/1.0 needs none', [
      { field: 'Host', reason: 'is required' },
    ]),
  );
