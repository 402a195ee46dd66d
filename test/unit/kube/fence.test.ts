import { expect, it } from "vitest";
import { FencedError, fenced } from "../../../kube/fence.ts";
import type { ApiRequest } from "../../../kube/transport.ts";

it("sends no write once leadership is lost, and goes on reading", async () => {
  const sent: string[] = [];
  let isLeading = true;
  const send = fenced(
    async ({ method }) => void sent.push(method) as never,
    () => isLeading,
  );
  const request = (method: ApiRequest["method"]) => send({ method, path: "/x", signal: AbortSignal.timeout(1000) });
  await request("PATCH");
  isLeading = false;
  for (const method of ["PATCH", "POST", "PUT", "DELETE"] as const) {
    await expect(request(method)).rejects.toThrow(FencedError);
  }
  await request("GET");
  expect(sent).toEqual(["PATCH", "GET"]);
});
