import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import type { Certificates } from "./certificates.ts";

/** Reads a path of the API server. Rejects when it does not answer with 200. */
export type ReadApi = (path: string) => Promise<unknown>;

export function apiReader({ authority, admin }: Certificates, port: number): ReadApi {
  const agent = new Agent({
    ca: readFileSync(authority.certificate),
    cert: readFileSync(admin.certificate),
    key: readFileSync(admin.key),
  });
  return (path) =>
    new Promise((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port, path, agent, timeout: 5_000 }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          body += chunk;
        });
        response.once("error", reject).once("end", () => {
          if (response.statusCode !== 200)
            reject(new Error(`GET ${path}: ${response.statusCode} ${body.slice(0, 200)}`));
          else resolve(body.startsWith("{") ? JSON.parse(body) : body);
        });
      });
      asked.once("timeout", () => asked.destroy(new Error(`GET ${path}: no answer`)));
      asked.once("error", reject).end();
    });
}
