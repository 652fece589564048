/** An aedes broker on 127.0.0.1, as its documentation starts one: `node aedes-server.mjs PORT`. */
import { createServer } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
createServer(broker.handle).listen(Number(process.argv[2]), "127.0.0.1");
