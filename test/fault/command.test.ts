import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { slowConsumer } from "./scenes/socket.ts";
import { startNginx } from "./stage/nginx.ts";
import { PORT, Stage } from "./stage/stage.ts";

/* `quicproxy doctor` as people run it: its words and its exit code. */

const PROGRAM = join(import.meta.dirname, "../../proxy/cli/main.ts");

interface Answer {
  readonly code: number;
  readonly stdout: string;
}

function doctor(...args: readonly string[]): Promise<Answer> {
  const command = [PROGRAM, "doctor", "--for", "3s", ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout: stdout + stderr });
    });
  });
}

async function on<Value>(use: (stage: Stage) => Promise<Value>): Promise<Value> {
  const stage = new Stage();
  try {
    return await use(stage);
  } finally {
    await stage.end();
  }
}

test("a port that is read too slowly: exit code 1, as JSON the same", async () => {
  await on(async (stage) => {
    await slowConsumer.play(stage);
    const { code, stdout } = await doctor("--netns", stage.host, "--port", String(PORT), "--json");
    expect(code, stdout).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: "consumption-mismatch", firstLosing: "5", exitCode: 1 });
  });
});

test("a load that everybody can take: exit code 0", async () => {
  await on(async (stage) => {
    await stage.receive({ buffer: 16 << 20, force: true });
    await stage.send({ rate: 1000 });
    const { code, stdout } = await doctor("--netns", stage.host, "--port", String(PORT));
    expect(code, stdout).toBe(0);
  });
});

test("a port that nobody has, and no datagram: exit code 2 says that it could not tell", async () => {
  await on(async (stage) => {
    const { code, stdout } = await doctor("--netns", stage.host, "--port", String(PORT));
    expect(code, stdout).toBe(2);
    expect(stdout).toContain(`no socket has UDP port ${PORT}`);
  });
});

test("an nginx that new clients overload, without our proxy: its socket, its process and rho are named", async () => {
  await on(async (stage) => {
    await stage.serve();
    await startNginx(stage);
    await stage.sendRaw({ "new-ports": true, rate: 20_000, size: 200 });
    const { code, stdout } = await doctor("--netns", stage.host, "--port", String(PORT));
    expect(code, stdout).toBe(1);
    expect(stdout).toMatch(/^> 5 +socket +LOSING/m);
    expect(stdout).toMatch(/^5 consumption-mismatch \(loss/m);
    expect(stdout).toMatch(/UDP port 4433 \(nginx, PID \d+\)/);
    expect(stdout).toMatch(/rho [1-9]/);
    expect(stdout).toContain("A bigger receive buffer");
  });
});
