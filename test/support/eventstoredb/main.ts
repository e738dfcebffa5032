/** Runs the double in a process of its own, to be killed or frozen: `node main.ts [port]`. It prints its URL first. */
import { startEventStoreDouble } from './server.ts';

const { url } = await startEventStoreDouble({ port: Number(process.argv[2] ?? 0) });
process.stdout.write(`${url}\n`);
