/**
 * For `node --import`: standard input is a pipe from the process that started this one. Its end means that it has ended,
 * perhaps by SIGKILL, and then this process ends as by Ctrl-C: it would keep its port.
 */
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume();
// A Socket, as the pipe is one: it keeps nothing running.
if ('unref' in process.stdin) process.stdin.unref();
