import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, it } from "vitest";

const signals = resolve(import.meta.dirname, "../../../process/signals.ts");

/** Runs a program that sends itself signals, each in the midst of its own work: nothing is told of them before its end. */
function run(body: string): { status: number | null; signal: NodeJS.Signals | null; said: string[] } {
  const program = `
    import { endOnSignals, holdSignals, onHangup, stopOnSignals } from ${JSON.stringify(signals)};
    const say = (text) => console.log(text);
    const send = (name) => process.kill(process.pid, name);
    const turn = () => new Promise((wake) => setTimeout(wake, 50));
    const stay = setTimeout(() => process.exit(99), 20_000);
    ${body}`;
  const args = ["--input-type=module", "--eval", program];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 30_000 });
  expect(stderr).toBe("");
  return { status, signal, said: stdout.split("\n").slice(0, -1) };
}

const STOP = "stopOnSignals({ log: { info: (_, text) => say(text) }, stop: async () => say('closed') });";

it("a stop signal that comes while the program is busy starting stops it in order", () => {
  const outcome = run(`holdSignals(); send("SIGTERM"); ${STOP}`);
  expect(outcome).toEqual({ status: 0, signal: null, said: ["stopping on SIGTERM", "closed", "stopped"] });
});

it.each(["SIGTERM", "SIGINT"])("%s before there is anything to stop ends it at once, with 0", (name) => {
  expect(run(`holdSignals(); send("${name}"); await turn(); say("goes on");`)).toEqual({
    status: 0,
    signal: null,
    said: [],
  });
});

it("a SIGHUP that comes before there is anything to reload reloads once there is", () => {
  const act = 'onHangup(() => say("reload"));';
  const { said } = run(
    `holdSignals(); send("SIGHUP"); await turn(); say("start"); ${act} await turn(); process.exit();`,
  );
  expect(said).toEqual(["start", "reload"]);
  expect(run(`holdSignals(); send("SIGHUP"); ${act} await turn(); process.exit();`).said).toEqual(["reload"]);
  expect(run(`holdSignals(); ${act} await turn(); process.exit();`).said).toEqual([]);
});

it("a SIGHUP in the midst of the stop does not end it", () => {
  const body = `holdSignals(); const end = onHangup(() => say("reload"));
    stopOnSignals({ log: { info: () => {} }, stop: async () => { end(); send("SIGHUP"); await turn(); say("closed"); } });
    send("SIGTERM");`;
  expect(run(body)).toEqual({ status: 0, signal: null, said: ["closed"] });
});

it("a second stop signal ends it at once, with 1, and so does a stop that takes too long", () => {
  const never = "stop: () => new Promise(() => {})";
  const log = "log: { info: () => {} }";
  expect(run(`stopOnSignals({ ${log}, ${never} }); send("SIGTERM"); await turn(); send("SIGINT");`).status).toBe(1);
  expect(run(`stopOnSignals({ ${log}, ${never}, withinMs: 10 }); send("SIGTERM");`).status).toBe(1);
});

it("signals without a meaning change nothing", () => {
  const names = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGWINCH", "SIGPIPE"];
  const sent = names.map((name) => `send("${name}"); await turn();`).join("");
  expect(run(`holdSignals(); ${sent} say("goes on"); process.exit();`)).toMatchObject({ status: 0, said: ["goes on"] });
});

it("a command that is over soon keeps the defaults", () => {
  expect(run('endOnSignals(); send("SIGTERM"); await turn(); say("goes on");')).toMatchObject({ signal: "SIGTERM" });
  expect(run('endOnSignals(); send("SIGHUP"); await turn(); say("goes on");')).toMatchObject({ signal: "SIGHUP" });
});
