/** `xmpp-chat dead-letters` with another program at LISTEN. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { newFolder, run } from './backups.ts';

it.each(['[]', '<html>', '{"items":[{}]}'])(
  'says that the program at LISTEN is not the service: %s',
  async (body) => {
    const server = createServer((_request, response) => response.end(body));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    try {
      const { port } = server.address() as AddressInfo; // it listens on a port
      const settings = { LISTEN: `127.0.0.1:${port}`, ADMIN_TOKEN: 'a-token-of-the-tests' };
      const { code, output } = await run(newFolder(), ['dead-letters'], settings);
      expect(code).toBe(1);
      expect(output).toMatch(/is not this service \(it answered 200\): set LISTEN/);
      expect(output).not.toMatch(/\n {4}at /);
    } finally {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  },
);
