import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { insideNamespace } from "../../../proxy/lab/namespace.ts";
import { untilTrue } from "../../net/process.ts";
import { BACKEND_PORT, CLIENT, HOST, PORT, type Stage } from "./stage.ts";

/** Each new client meets so many regular expressions: some 100 us of one CPU for each datagram. */
const RULES = 2000;

/** nginx that forwards UDP with one worker and as much buffer as it gets, by rules that take long; ends with the stage. */
export async function startNginx(stage: Stage): Promise<void> {
  const config = join(stage.directory, "nginx.conf");
  writeFileSync(config, configText(stage.directory));
  const command = ["nginx", "-p", stage.directory, "-c", config];
  const [file, args] = insideNamespace(stage.host, command);
  const nginx = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  nginx.stderr.on("data", (text) => (said += text));
  const closed = once(nginx, "close");
  stage.later(async () => {
    nginx.kill("SIGTERM");
    await closed;
  });
  await untilTrue("nginx listens", () => {
    if (nginx.exitCode !== null) throw new Error(`nginx ended: ${said.trim()}`);
    return stage.onHost("ss", "-Huln", `sport = :${PORT}`) !== "";
  });
}

const rules = (): string => Array.from({ length: RULES }, (_, rule) => `    ~^0${rule}$ 192.0.2.1:${PORT};`).join("\n");

/** Every datagram of a new client begins a session, with a socket of its own toward the server. */
const configText = (directory: string): string => `daemon off;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/nginx.log crit;
events { worker_connections 65536; }
stream {
  map $remote_port.$remote_addr $server {
${rules()}
    default ${CLIENT}:${BACKEND_PORT};
  }
  server {
    listen ${HOST}:${PORT} udp rcvbuf=25m;
    proxy_pass $server;
    proxy_responses 0;
    proxy_timeout 1s;
  }
}
`;
