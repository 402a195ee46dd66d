import inspector from "node:inspector";

/*
 * Whoever reaches Node's debugger runs code with all rights of the process, and on the host's network every local user
 * reaches it. `--disable-sigusr1` in the first line of a command keeps SIGUSR1 from opening one; where a program is started
 * in another way, or NODE_OPTIONS of some environment asks for a debugger, it is closed again.
 */

const REMEDY = "who wants it names it on the command line: node --inspect";

/**
 * Closes a debugger that listens, unless the command line itself asks for one, and says so. `--inspect-wait` and
 * `--inspect-brk` in NODE_OPTIONS halt the process before this can run.
 */
export function closeInspector(say: (message: string) => void): void {
  const url = inspector.url();
  if (url === undefined || process.execArgv.some((option) => option.startsWith("--inspect"))) return;
  inspector.close();
  say(`the debugger on ${new URL(url).host} was closed: NODE_OPTIONS or a signal had opened it; ${REMEDY}`);
}
