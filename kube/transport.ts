import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface ApiRequest {
  readonly method: Method;
  /** Path and query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal: AbortSignal;
}

/** What came back. Whoever gets it reads the body to its end or destroys it. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Buffer> & { destroy(): unknown };
}

/** Sends one request to the API server. Rejects where no answer came; every answer, of whatever status, resolves. */
export type SendRequest = (request: ApiRequest) => Promise<ApiResponse>;

export interface ApiEndpoint {
  /** Where the API server is, such as https://10.96.0.1:443. */
  readonly server: string;
  /** Agent with certificates, and headers with a token. Asked before each request, because tokens are replaced. */
  credentials(): Promise<RequestOptions>;
}

/** Finds the API server at the first request, and again at the next one where that failed. */
export function lazyTransport(open: () => Promise<ApiEndpoint>): SendRequest {
  let send: SendRequest | undefined;
  return async (request) => {
    send ??= httpTransport(await open());
    return send(request);
  };
}

const USER_AGENT = "quicproxy";

/** Requests over HTTP/1.1, one connection for each watch: whoever has few of them needs no multiplexing. */
export function httpTransport({ server, credentials }: ApiEndpoint): SendRequest {
  const base = new URL(server);
  const open = base.protocol === "http:" ? httpRequest : httpsRequest;
  return async ({ method, path, body, contentType, signal }) => {
    const options = await credentials();
    const headers = {
      accept: "application/json",
      "user-agent": USER_AGENT,
      ...(contentType === undefined ? {} : { "content-type": contentType }),
      ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      ...(options.headers as Record<string, string> | undefined),
    };
    const url = new URL(base.pathname.replace(/\/$/, "") + path, base);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = open(url, { ...options, method, headers, signal }, resolve);
      request.on("error", reject);
      request.end(body);
    });
    return { status: response.statusCode ?? 0, headers: response.headers, body: response };
  };
}
