import { ApiClient } from "../../../kube/client.ts";
import { adminTransport } from "../../integration/operator/api_server.ts";
import { Fleet } from "./fleet.ts";

/* The simulated proxies in a process of their own: `node fleet_process.ts <API server> <milliseconds>`. */

const [server = "", everyMs] = process.argv.slice(2);
const fleet = new Fleet({ client: new ApiClient(adminTransport(server)), numbersEveryMs: Number(everyMs) });
fleet.start();
process.on("disconnect", () => process.exit());
